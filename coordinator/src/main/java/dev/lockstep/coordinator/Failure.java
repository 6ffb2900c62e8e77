package dev.lockstep.coordinator;

import java.time.Duration;

/// How a call to a scheduler failed.
///
/// @param retryAfter when the scheduler thinks another try is worth it; zero where it did not say
record Failure(Kind kind, String description, Duration retryAfter) {

    enum Kind {
        /// Its queue is full.
        QUEUE_FULL,
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
        return kind == Kind.UNAVAILABLE || kind == Kind.NOT_LEADER;
    }

    /// What the client is told.
    ///
    /// @param begun whether tokens of the request were already generated
    ApiError toError(boolean begun) {
        return switch (kind) {
            case QUEUE_FULL ->
                    ApiError.tooMany(
                            "queue_full",
                            "the queue is full: " + description,
                            retryAfter.isZero() ? SOON : retryAfter);
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
