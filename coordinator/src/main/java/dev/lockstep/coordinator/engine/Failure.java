package dev.lockstep.coordinator.engine;

import java.time.Duration;

/// How a call to a scheduler failed.
///
/// @param retryAfter when the scheduler thinks another try is worth it; zero where it did not say
public record Failure(Kind kind, String description, Duration retryAfter) {

    public enum Kind {
        /// Its queue is full, or too long for the request's deadline.
        OVERLOADED,
        /// The request's deadline passed.
        EXPIRED,
        /// It cannot be reached, or has no group.
        UNAVAILABLE,
        /// Another one leads the group.
        NOT_LEADER,
        /// It refuses a field.
        INVALID,
        /// The group was lost while the request ran.
        GROUP_LOST,
        /// The client read too slowly.
        SLOW_READER,
        /// Anything else.
        BROKEN
    }

    /// Whether another group may serve the request, if nothing of it was generated.
    public boolean mayGoElsewhere() {
        return switch (kind) {
            case OVERLOADED, UNAVAILABLE, NOT_LEADER -> true;
            case EXPIRED, INVALID, GROUP_LOST, SLOW_READER, BROKEN -> false;
        };
    }

    /// Of two groups that refused a request, what the client is told: that one which is full will
    /// take it later says more than that another is not there.
    public Failure or(Failure other) {
        if (other.kind != Kind.OVERLOADED) {
            return this;
        }
        boolean sooner = other.retryAfter.compareTo(retryAfter) < 0;
        return kind == Kind.OVERLOADED && !sooner ? this : other;
    }
}
