package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.Failure;
import java.time.Duration;

/// What a client is told when its request cannot be served, as OpenAI words it: over HTTP the error
/// object, over gRPC a status.
///
/// It carries no stack trace: it is an answer, not a failure of ours.
public final class ApiError extends RuntimeException {
    private static final long serialVersionUID = 1;

    static final String INVALID = "invalid_request_error";
    private static final String SERVER = "server_error";
    private static final int LONGEST_MESSAGE = 600;
    private static final Duration SOON = Duration.ofSeconds(1);

    private final int status;
    private final String type;
    private final String param;
    private final String code;
    private final Duration retryAfter;

    private ApiError(
            int status,
            String type,
            String message,
            String param,
            String code,
            Duration retryAfter) {
        super(
                message.length() <= LONGEST_MESSAGE
                        ? message
                        : message.substring(0, LONGEST_MESSAGE) + "…",
                null,
                false,
                false);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
        this.retryAfter = retryAfter;
    }

    /// A field that is wrong; the message names it, its value and the limit.
    public static ApiError invalid(String param, String message) {
        return new ApiError(400, INVALID, message, param, "", Duration.ZERO);
    }

    static ApiError invalid(String param, String code, String message) {
        return new ApiError(400, INVALID, message, param, code, Duration.ZERO);
    }

    /// A field that is known and cannot be served.
    static ApiError unserved(String param, String message) {
        return invalid(param, "unsupported_parameter", message);
    }

    static ApiError modelNotFound(String asked, String served) {
        return new ApiError(
                404,
                INVALID,
                "The model `" + Json.quoted(asked) + "` does not exist; served is `" + served + "`",
                "model",
                "model_not_found",
                Duration.ZERO);
    }

    /// A request refused for its form, before any field was looked at.
    public static ApiError refused(int status, String code, String message) {
        return new ApiError(status, INVALID, message, "", code, Duration.ZERO);
    }

    /// Too much to do at the moment.
    public static ApiError tooMany(String code, String message, Duration retryAfter) {
        return new ApiError(429, "rate_limit_error", message, "", code, retryAfter);
    }

    /// Nobody can serve it at the moment.
    public static ApiError unavailable(String code, String message, Duration retryAfter) {
        return new ApiError(503, SERVER, message, "", code, retryAfter);
    }

    /// The time that the client gave it is over.
    public static ApiError expired(String message) {
        return new ApiError(
                504, SERVER, message, "deadline_ms", "deadline_exceeded", Duration.ZERO);
    }

    /// Ours; the log has the rest.
    public static ApiError internal(String message) {
        return new ApiError(500, SERVER, message, "", "internal_error", Duration.ZERO);
    }

    /// What a client is told of a failed call to a scheduler.
    ///
    /// @param begun whether tokens of the request were already generated
    static ApiError of(Failure failure, boolean begun) {
        String description = failure.description();
        return switch (failure.kind()) {
            case OVERLOADED ->
                    tooMany(
                            "overloaded",
                            "the request cannot be taken now: " + description,
                            failure.retryAfter().isZero() ? SOON : failure.retryAfter());
            case EXPIRED -> expired(description);
            case UNAVAILABLE, NOT_LEADER ->
                    begun ? groupLost(description) : unavailable("not_ready", description, SOON);
            case INVALID -> invalid("", description);
            case GROUP_LOST -> groupLost(description);
            case SLOW_READER -> slowReader();
            case BROKEN -> internal("the scheduler failed: " + description);
        };
    }

    static ApiError slowReader() {
        return unavailable(
                "slow_reader", "the client read too slowly; too much was left unread", SOON);
    }

    private static ApiError groupLost(String description) {
        return unavailable(
                "group_lost", "the group was lost while the request ran: " + description, SOON);
    }

    int status() {
        return status;
    }

    /// A word for programs, or empty.
    String code() {
        return code;
    }

    String param() {
        return param;
    }

    /// When another try is worth it; zero says nothing about it.
    Duration retryAfter() {
        return retryAfter;
    }

    /// Whole seconds for `Retry-After`, at least 1.
    long retryAfterSeconds() {
        return Math.max(1, retryAfter.plusMillis(999).toSeconds());
    }

    String message() {
        return String.valueOf(getMessage());
    }

    /// `{"error":{message, type, param, code}}`, where what is empty is null.
    ObjectNode toJson() {
        ObjectNode root = Json.object();
        ObjectNode error = root.putObject("error").put("message", message()).put("type", type);
        Json.putOrNull(error, "param", param);
        Json.putOrNull(error, "code", code);
        return root;
    }
}
