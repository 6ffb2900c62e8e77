// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.CompletionInbox;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// What stops a completion whose client has left: at once, or after a window in which the client
/// may repeat the request. Whether it may can be known later than that it has left. Safe for any
/// thread.
final class Departure {
    private final CompletionInbox inbox;
    private final Duration window;
    private Optional<Boolean> repeatable = Optional.empty();
    private boolean left;

    /// @param window zero is off
    Departure(CompletionInbox inbox, Duration window) {
        this.inbox = inbox;
        this.window = window;
    }

    /// The client has left.
    synchronized void left() {
        left = true;
        stop();
    }

    /// Sets whether the client can repeat the request, by its key.
    synchronized void repeatable(boolean can) {
        repeatable = Optional.of(can);
        stop();
    }

    private void stop() {
        if (!left || repeatable.isEmpty()) {
            return;
        }
        if (repeatable.get() && !window.isZero()) {
            CompletableFuture.delayedExecutor(window.toNanos(), TimeUnit.NANOSECONDS)
                    .execute(() -> inbox.stop(ApiError.clientDisconnected()));
        } else {
            inbox.stop(ApiError.clientDisconnected());
        }
    }
}
