// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import java.time.Duration;

/// The failure of a call to a scheduler.
///
/// @param retryAfter the delay that the scheduler suggests for a retry; zero where it suggests none
public record Failure(Kind kind, String description, Duration retryAfter) {

    public enum Kind {
        /// The scheduler's queue is full, or too long for the request's deadline.
        OVERLOADED,
        /// The request's deadline passed.
        EXPIRED,
        /// The scheduler cannot be reached, or has no group.
        UNAVAILABLE,
        /// Another scheduler leads the group.
        NOT_LEADER,
        /// The scheduler refuses a field.
        INVALID,
        /// The request was alone in a step when a worker failed for the second time.
        POISONED,
        /// The client read too slowly.
        SLOW_READER,
        /// Another call goes on with the request, or another request has its idempotency key.
        TAKEN,
        /// Any other failure.
        BROKEN
    }

    /// Returns whether the scheduler is gone, so that a request that it had accepted goes on at
    /// another one.
    public boolean isLoss() {
        return kind == Kind.UNAVAILABLE || kind == Kind.NOT_LEADER;
    }

    /// Returns the failure of a request that its scheduler neither accepts nor refuses.
    public static Failure unanswered() {
        return new Failure(Kind.UNAVAILABLE, "its scheduler does not answer", Duration.ZERO);
    }

    /// Returns whether another group may serve the request, provided that none had accepted it.
    public boolean isRetryable() {
        return switch (kind) {
            case OVERLOADED, UNAVAILABLE, NOT_LEADER -> true;
            case EXPIRED, INVALID, POISONED, SLOW_READER, TAKEN, BROKEN -> false;
        };
    }

    /// Returns whether the description is about the cluster and not about the request: it may have
    /// addresses, processes and files, which are not shown to clients.
    public boolean isInternal() {
        return switch (kind) {
            case UNAVAILABLE, NOT_LEADER, POISONED, BROKEN -> true;
            case OVERLOADED, EXPIRED, INVALID, SLOW_READER, TAKEN -> false;
        };
    }

    /// Returns the refusal to report when two groups refused a request: a full queue rather than an
    /// absent group, because it will accept the request later; of two full queues the one that
    /// suggests the earlier retry.
    public Failure or(Failure other) {
        if (other.kind != Kind.OVERLOADED) {
            return this;
        }
        boolean sooner = other.retryAfter.compareTo(retryAfter) < 0;
        return kind == Kind.OVERLOADED && !sooner ? this : other;
    }
}
