package dev.lockstep.coordinator;

import java.time.Duration;

/// How a call to a scheduler failed.
///
/// @param retryAfter when the scheduler thinks another try is worth it; zero where it did not say
record Failure(Kind kind, String description, Duration retryAfter) {

    enum Kind {
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

    private static final Duration SOON = Duration.ofSeconds(1);

    /// Whether another group may serve the request, if nothing of it was generated.
    boolean mayGoElsewhere() {
        return switch (kind) {
            case OVERLOADED, UNAVAILABLE, NOT_LEADER -> true;
            case EXPIRED, INVALID, GROUP_LOST, SLOW_READER, BROKEN -> false;
        };
    }

    /// Of two groups that refused a request, what the client is told: that one which is full will
    /// take it later says more than that another is not there.
    Failure or(Failure other) {
        if (other.kind != Kind.OVERLOADED) {
            return this;
        }
        boolean sooner = other.retryAfter.compareTo(retryAfter) < 0;
        return kind == Kind.OVERLOADED && !sooner ? this : other;
    }

    /// What the client is told.
    ///
    /// @param begun whether tokens of the request were already generated
    ApiError toError(boolean begun) {
        return switch (kind) {
            case OVERLOADED ->
                    ApiError.tooMany(
                            "overloaded",
                            "the request cannot be taken now: " + description,
                            retryAfter.isZero() ? SOON : retryAfter);
            case EXPIRED -> ApiError.expired(description);
            case UNAVAILABLE, NOT_LEADER ->
                    begun ? groupLost() : ApiError.unavailable("not_ready", description, SOON);
            case INVALID -> ApiError.invalid("", description);
            case GROUP_LOST -> groupLost();
            case SLOW_READER -> slowReader();
            case BROKEN -> ApiError.internal("the scheduler failed: " + description);
        };
    }

    static ApiError slowReader() {
        return ApiError.unavailable(
                "slow_reader", "the client read too slowly; too much was left unread", SOON);
    }

    private ApiError groupLost() {
        return ApiError.unavailable(
                "group_lost", "the group was lost while the request ran: " + description, SOON);
    }
}
