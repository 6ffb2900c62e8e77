// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CallFacts;
import dev.lockstep.coordinator.engine.CompletionInbox;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/// The running requests, and whether further ones are admitted. Safe for any thread.
final class OpenRequests {
    /// The limit of open requests, each of which may hold a body and a stream. The queues of
    /// schedulers have far lower limits.
    private static final int MAX_OPEN = 4096;

    // Guarded by this.
    private final Set<CompletionInbox> open = new HashSet<>();
    private boolean draining;

    /// Admits a request, which is open until [#leave]; throws if it cannot be admitted.
    synchronized void enter(CompletionInbox inbox) {
        if (draining) {
            throw draining();
        }
        if (open.size() >= MAX_OPEN) {
            throw ApiError.tooMany(
                    "too_many_requests", MAX_OPEN + " requests are open already", ApiError.SOON);
        }
        open.add(inbox);
    }

    synchronized void leave(CompletionInbox inbox) {
        open.remove(inbox);
        notifyAll();
    }

    synchronized int count() {
        return open.size();
    }

    /// Returns how far the calls of each request are; none where it waits for text to be ready.
    synchronized List<List<CallFacts>> facts() {
        return open.stream().map(CompletionInbox::facts).toList();
    }

    /// Admits no further requests.
    synchronized void drain() {
        draining = true;
    }

    /// Waits until no request is open or the time-out has passed; an interrupt ends the waiting.
    synchronized void awaitEmpty(Duration timeout) throws InterruptedException {
        long deadline = System.nanoTime() + timeout.toNanos();
        for (long left = timeout.toMillis(); !open.isEmpty() && left > 0; ) {
            wait(left);
            left = (deadline - System.nanoTime()) / 1_000_000;
        }
    }

    /// Ends all open requests with an error, and admits no further ones.
    void stopAll(ApiError error) {
        Set<CompletionInbox> all;
        synchronized (this) {
            draining = true;
            all = Set.copyOf(open);
        }
        all.forEach(inbox -> inbox.stop(error));
    }

    /// Returns the error of requests that a drain refuses, or that it does not wait for any longer.
    static ApiError draining() {
        return ApiError.unavailable("draining", "this coordinator is stopping; try another one");
    }
}
