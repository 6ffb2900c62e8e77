// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Runs the same work for several items in parallel. The first failure ends all of it.
final class Parallel {
    private static final long POLL_MILLIS = 100;

    private Parallel() {}

    /// The work for one item.
    @FunctionalInterface
    interface Work<A, B> {
        B of(A item) throws IOException, InterruptedException;
    }

    /// Runs the work and returns the results in the order of the items.
    ///
    /// @param threadCount maximum number of items in parallel
    /// @param meanwhile called at least every 100 ms or so on the caller's thread, until all are
    ///   done
    static <A, B> List<B> map(List<A> items, int threadCount, Work<A, B> work, Runnable meanwhile)
            throws IOException, InterruptedException {
        ExecutorService executor =
                Executors.newFixedThreadPool(
                        threadCount, Thread.ofPlatform().daemon().name("download-", 0).factory());
        try {
            List<Future<B>> futures = new ArrayList<>();
            for (A item : items) {
                futures.add(executor.submit(() -> work.of(item)));
            }
            while (futures.stream().anyMatch(future -> future.state() == Future.State.RUNNING)) {
                requireNoFailure(futures);
                await(futures);
                meanwhile.run();
            }
            requireNoFailure(futures);
            return futures.stream().map(Future::resultNow).toList();
        } finally {
            executor.shutdownNow();
        }
    }

    private static <B> void requireNoFailure(List<Future<B>> futures)
            throws IOException, InterruptedException {
        for (Future<B> future : futures) {
            if (future.state() == Future.State.FAILED) {
                switch (future.exceptionNow()) {
                    case IOException e -> throw e;
                    case InterruptedException e -> throw e;
                    case RuntimeException e -> throw e;
                    case Throwable e -> throw new IllegalStateException(e);
                }
            }
        }
    }

    private static <B> void await(List<Future<B>> futures) throws InterruptedException {
        for (Future<B> future : futures) {
            if (future.state() == Future.State.RUNNING) {
                try {
                    future.get(POLL_MILLIS, TimeUnit.MILLISECONDS);
                } catch (TimeoutException | ExecutionException e) {
                    // The caller checks all futures next.
                }
                return;
            }
        }
    }
}
