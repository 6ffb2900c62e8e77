package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CompletionInbox;
import java.time.Duration;
import java.util.HashSet;
import java.util.Set;

/// The requests that run now, and whether more are taken. Safe for any thread.
final class OpenRequests {
    /// Each may hold a body and a stream; schedulers bound their queues themselves, far below.
    private static final int MOST = 4096;

    private static final Duration SOON = Duration.ofSeconds(1);

    // Guarded by this.
    private final Set<CompletionInbox> open = new HashSet<>();
    private boolean draining;

    /// Lets a request in, until [#leave].
    synchronized void enter(CompletionInbox inbox) {
        if (draining) {
            throw draining();
        }
        if (open.size() >= MOST) {
            throw ApiError.tooMany("too_many_requests", MOST + " requests are open already", SOON);
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

    synchronized boolean isDraining() {
        return draining;
    }

    /// From now on nobody is let in.
    synchronized void drain() {
        draining = true;
    }

    /// Waits until nobody is left; whoever hurries interrupts it.
    synchronized void awaitEmpty() throws InterruptedException {
        while (!open.isEmpty()) {
            wait(1000);
        }
    }

    /// As [#awaitEmpty], but not for longer than this.
    synchronized void awaitEmpty(Duration most) throws InterruptedException {
        long deadline = System.nanoTime() + most.toNanos();
        for (long left = most.toMillis(); !open.isEmpty() && left > 0; ) {
            wait(left);
            left = (deadline - System.nanoTime()) / 1_000_000;
        }
    }

    /// Ends all of them with an error.
    void stopAll(ApiError why) {
        Set<CompletionInbox> all;
        synchronized (this) {
            draining = true;
            all = Set.copyOf(open);
        }
        all.forEach(inbox -> inbox.stop(why));
    }

    private static ApiError draining() {
        return ApiError.unavailable(
                "draining", "this coordinator is stopping; another one will answer", SOON);
    }
}
