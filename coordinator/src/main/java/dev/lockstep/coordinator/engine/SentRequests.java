// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;

/// Counts of the requests sent to one scheduler: totals for the metrics, and those that its last
/// status may not include yet, so that requests that arrive together do not all go to the same
/// group. Safe for any thread.
public final class SentRequests {
    private final LongAdder requests = new LongAdder();
    private final LongAdder promptTokens = new LongAdder();
    private final LongAdder cachedTokens = new LongAdder();
    private final AtomicInteger pendingChoices = new AtomicInteger();
    private final AtomicLong pendingTokens = new AtomicLong();

    /// Adds one request.
    ///
    /// @param prompt tokens of its prompt
    /// @param cached those of them that the scheduler is known to have cached
    void add(int choices, int prompt, int cached) {
        requests.increment();
        promptTokens.add(prompt);
        cachedTokens.add(cached);
        pendingChoices.addAndGet(choices);
        pendingTokens.addAndGet(prompt - cached);
    }

    public long requests() {
        return requests.sum();
    }

    public long promptTokens() {
        return promptTokens.sum();
    }

    /// Returns the prompt tokens known to be cached, where several groups were ready; else they are
    /// not looked up.
    public long cachedTokens() {
        return cachedTokens.sum();
    }

    /// Returns the choices sent since the last status.
    int pendingChoices() {
        return pendingChoices.get();
    }

    /// Returns the prompt tokens to compute that were sent since the last status.
    long pendingTokens() {
        return pendingTokens.get();
    }

    /// Restarts the pending counts: a new status includes those requests.
    void clearPending() {
        pendingChoices.set(0);
        pendingTokens.set(0);
    }
}
