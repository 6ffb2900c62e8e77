// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;

/// Finds out whether single threads still run what they are given. A thread that blocks, on which
/// every connection of it waits, does not.
final class ThreadProgress {
    private final List<Executor> threads;
    private final AtomicInteger unanswered = new AtomicInteger();
    private long rounds;

    ThreadProgress(List<Executor> threads) {
        this.threads = List.copyOf(threads);
    }

    /// Asks every thread again once all have answered; returns a number that changes then.
    synchronized long rounds() {
        if (unanswered.get() > 0) {
            return rounds;
        }
        unanswered.set(threads.size());
        for (Executor thread : threads) {
            try {
                thread.execute(unanswered::decrementAndGet);
            } catch (RejectedExecutionException e) {
                // It was shut down, with this process.
                unanswered.decrementAndGet();
            }
        }
        return ++rounds;
    }
}
