// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.Failure;
import java.time.Duration;
import java.util.Map;
import java.util.Set;

/// The error that a client receives when its request cannot be served: over HTTP OpenAI's error
/// object, over gRPC a status.
///
/// It has no stack trace, because it is a response and not a failure of the coordinator.
public final class ApiError extends RuntimeException {
    private static final long serialVersionUID = 1;

    /// The status of a request that its client ended, which no client sees as one.
    static final int CLIENT_ENDED = 499;

    private static final String DISPLACED = "displaced";

    /// The codes with which a coordinator stops.
    private static final Set<String> LEAVING = Set.of("draining", "shutting_down");

    static final String INVALID = "invalid_request_error";
    private static final String SERVER = "server_error";
    private static final int MAX_MESSAGE_LENGTH = 600;

    /// How a worker's refusal of a constraint begins.
    private static final String CONSTRAINT = "the constraint ";

    /// The delay before a retry where nothing says how long the obstacle lasts.
    static final Duration SOON = Duration.ofSeconds(1);

    private final int status;
    private final String type;
    private final String param;
    private final String code;
    private final Duration retryAfter;

    /// The response that the client may ask for elsewhere, or empty.
    private final String responseId;

    private ApiError(
            int status,
            String type,
            String message,
            String param,
            String code,
            Duration retryAfter) {
        this(status, type, message, param, code, retryAfter, "");
    }

    private ApiError(
            int status,
            String type,
            String message,
            String param,
            String code,
            Duration retryAfter,
            String responseId) {
        super(
                message.length() <= MAX_MESSAGE_LENGTH
                        ? message
                        : message.substring(0, MAX_MESSAGE_LENGTH) + "…",
                null,
                false,
                false);
        this.status = status;
        this.type = type;
        this.param = param;
        this.code = code;
        this.retryAfter = retryAfter;
        this.responseId = responseId;
    }

    /// Returns the error for an invalid field; the message names it, its value and the limit.
    public static ApiError invalid(String param, String message) {
        return new ApiError(400, INVALID, message, param, "", Duration.ZERO);
    }

    static ApiError invalid(String param, String code, String message) {
        return new ApiError(400, INVALID, message, param, code, Duration.ZERO);
    }

    /// Returns the error for a known field that is not served.
    static ApiError unserved(String param, String message) {
        return invalid(param, "unsupported_parameter", message);
    }

    static ApiError modelNotFound(String requested, String served) {
        return new ApiError(
                404,
                INVALID,
                "The model `"
                        + Json.quoted(requested)
                        + "` does not exist; this server serves `"
                        + served
                        + "`",
                "model",
                "model_not_found",
                Duration.ZERO);
    }

    /// Returns the error for a request refused for its form, before any field was read.
    public static ApiError refused(int status, String code, String message) {
        return new ApiError(status, INVALID, message, "", code, Duration.ZERO);
    }

    /// Returns the error for a request refused because of too much load.
    public static ApiError tooMany(String code, String message, Duration retryAfter) {
        return new ApiError(429, "rate_limit_error", message, "", code, retryAfter);
    }

    /// Returns the error for a request that cannot be served at the moment, but may be [#SOON].
    public static ApiError unavailable(String code, String message) {
        return new ApiError(503, SERVER, message, "", code, SOON);
    }

    /// Returns the error for a request whose deadline has passed.
    public static ApiError expired(String message) {
        return new ApiError(
                504, SERVER, message, "deadline_ms", "deadline_exceeded", Duration.ZERO);
    }

    /// Returns the error for a request that cannot be made to survive this process.
    static ApiError notDurable(String reason) {
        return unavailable("durability_unavailable", reason);
    }

    /// Returns the error for a failure of the server; details are in the log.
    public static ApiError internal(String message) {
        return new ApiError(500, SERVER, message, "", "internal_error", Duration.ZERO);
    }

    /// Returns the error for a failed call to a scheduler. What is wrong in the cluster is for its
    /// operator: the description may have addresses, processes and files.
    static ApiError of(Failure failure) {
        String description = failure.description();
        return switch (failure.kind()) {
            case OVERLOADED ->
                    tooMany(
                            "overloaded",
                            "the request cannot be accepted now: " + description,
                            failure.retryAfter().isZero() ? SOON : failure.retryAfter());
            case EXPIRED -> expired(description);
            case UNAVAILABLE, NOT_LEADER ->
                    unavailable("not_ready", "no group can run the request at the moment");
            case INVALID ->
                    invalid(
                            "",
                            description.startsWith(CONSTRAINT) ? "constraint_failed" : "",
                            description);
            case POISONED ->
                    new ApiError(
                            500,
                            SERVER,
                            "the worker that runs the request failed with it again and again",
                            "",
                            "poisoned_request",
                            Duration.ZERO);
            case SLOW_READER -> slowReader();
            case TAKEN ->
                    refused(
                            409,
                            "idempotency_key_in_use",
                            "another request with the same idempotency-key has just begun; repeat this one");
            case BROKEN -> internal("the scheduler failed; the coordinator's log says why");
        };
    }

    static ApiError clientDisconnected() {
        return refused(CLIENT_ENDED, "client_gone", "the client disconnected");
    }

    static ApiError slowReader() {
        return unavailable("slow_reader", "the client read too slowly; too much was left unread");
    }

    /// Returns the error for a response that goes on for another reader.
    static ApiError displaced() {
        return refused(409, DISPLACED, "the response goes on for another reader");
    }

    /// Whether the response goes on for another reader, or its client wants it to be gone.
    boolean isDisplaced() {
        return code.equals(DISPLACED);
    }

    /// Whether it ends this coordinator's part of the response, which another one may go on with.
    boolean isOfThisCoordinator() {
        return LEAVING.contains(code);
    }

    /// Whether the response can go on at another coordinator, or does.
    boolean goesOnElsewhere() {
        return isOfThisCoordinator() || isDisplaced();
    }

    /// Returns the error for an accepted request whose scheduler was lost, and that no other has
    /// accepted in time.
    static ApiError groupLost() {
        return unavailable("group_lost", "the group that ran the request was lost");
    }

    /// Returns this error for another name of its field.
    ApiError about(String field, String message) {
        return new ApiError(status, type, message, field, code, retryAfter);
    }

    /// Returns this error with the id of the response that it ended.
    ApiError ending(String response) {
        return new ApiError(status, type, message(), param, code, retryAfter, response);
    }

    /// Returns this error about a field that the client knows by another name.
    ///
    /// @param names the client's by ours
    ApiError renamed(Map<String, String> names) {
        String name = names.getOrDefault(param, param);
        String text =
                message().startsWith(param)
                        ? name + message().substring(param.length())
                        : message();
        return new ApiError(status, type, text, name, code, retryAfter);
    }

    int status() {
        return status;
    }

    /// Returns the machine-readable code, or empty.
    String code() {
        return code;
    }

    String param() {
        return param;
    }

    /// Returns the id of the response that the error ended, if the client may ask for it elsewhere;
    /// else empty.
    String responseId() {
        return responseId;
    }

    /// Returns the suggested delay before a retry; zero for no suggestion.
    Duration retryAfter() {
        return retryAfter;
    }

    /// Returns whole seconds for `Retry-After`, at least 1.
    long retryAfterSeconds() {
        return Math.max(1, retryAfter.plusMillis(999).toSeconds());
    }

    String message() {
        return String.valueOf(getMessage());
    }

    /// Returns `{"error":{message, type, param, code}}`, with null for empty values, and with
    /// `response_id` where there is one.
    ObjectNode toJson() {
        ObjectNode root = Json.object();
        ObjectNode error = root.putObject("error").put("message", message()).put("type", type);
        Json.putOrNull(error, "param", param);
        Json.putOrNull(error, "code", code);
        if (!responseId.isEmpty()) {
            error.put("response_id", responseId);
        }
        return root;
    }
}
