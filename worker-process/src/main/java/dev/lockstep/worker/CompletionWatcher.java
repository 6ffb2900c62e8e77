// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Kernels;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;

/// The thread that waits for launched steps, so that the step thread can launch the next one. It
/// starts with the first step that is not complete when its launch returns: on a CPU never.
final class CompletionWatcher implements AutoCloseable {
    /// More than the steps in flight and those of an epoch that was just abandoned.
    private static final int CAPACITY = 4 * StepsInFlight.DEPTH;

    private final Kernels kernels;
    private final Receiver receiver;
    private final BlockingQueue<LaunchedStep> watched = new ArrayBlockingQueue<>(CAPACITY);
    private final Thread thread =
            Thread.ofPlatform().daemon().name("completion-watcher").unstarted(this::loop);

    /// The receiver of steps that have come to their end; the watcher thread calls it.
    @FunctionalInterface
    interface Receiver {
        /// Receives a step whose mark is reached.
        ///
        /// @param failure what the wait for the step threw
        void ended(LaunchedStep step, Optional<Throwable> failure) throws InterruptedException;
    }

    CompletionWatcher(Kernels kernels, Receiver receiver) {
        this.kernels = kernels;
        this.receiver = receiver;
    }

    /// Watches a step. The step thread calls it, in the order of steps.
    void watch(LaunchedStep step) {
        if (thread.getState() == Thread.State.NEW) {
            thread.start();
        }
        watched.add(step);
    }

    private void loop() {
        Optional<Throwable> detached = attach();
        try {
            while (!Thread.currentThread().isInterrupted()) {
                LaunchedStep step = watched.take();
                receiver.ended(step, detached.or(() -> failure(step)));
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /// Returns why this thread can watch nothing; empty if it can.
    private Optional<Throwable> attach() {
        try {
            kernels.attachThread();
            return Optional.empty();
        } catch (RuntimeException e) {
            return Optional.of(e);
        }
    }

    private static Optional<Throwable> failure(LaunchedStep step) {
        try {
            step.mark().await();
            return Optional.empty();
        } catch (RuntimeException | Error e) {
            return Optional.of(e);
        }
    }

    @Override
    public void close() {
        thread.interrupt();
    }
}
