// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.linecorp.armeria.common.HttpData;
import com.linecorp.armeria.common.MediaType;
import com.linecorp.armeria.common.RequestHeaders;
import java.nio.charset.StandardCharsets;

/// How a family of routes writes its errors, and frames the parts of a stream.
enum WireFormat {
    /// OpenAI's: server-sent events, the last of which is `[DONE]`.
    OPENAI,

    /// That of OpenAI's responses: server-sent events with names.
    RESPONSES,

    /// Anthropic's: server-sent events with names.
    ANTHROPIC,

    /// llama.cpp's: server-sent events, the last of which says that it is.
    LLAMA_CPP,

    /// Ollama's: a line of JSON for each part.
    OLLAMA;

    private static final String MESSAGES = "/v1/messages";
    private static final String ANTHROPIC_VERSION = "anthropic-version";
    private static final String OLLAMA_ROUTES = "/api/";

    /// With the charset: without it, some clients read the text as Latin-1, as HTTP/1.1 once
    /// prescribed for `text/*`.
    private static final MediaType EVENT_STREAM =
            MediaType.EVENT_STREAM.withCharset(StandardCharsets.UTF_8);

    private static final MediaType LINES = MediaType.parse("application/x-ndjson");
    private static final int OVERLOADED = 529;

    /// Returns the format of a request. Models are described at the same path for all clients, and
    /// those of Anthropic's API name its version.
    static WireFormat of(String path, RequestHeaders headers) {
        boolean models = path.equals(ModelsApi.PATH) || path.startsWith(ModelsApi.PATH + "/");
        if (path.equals(MESSAGES)
                || path.startsWith(MESSAGES + "/")
                || (models && headers.contains(ANTHROPIC_VERSION))) {
            return ANTHROPIC;
        }
        if (path.equals(ResponsesApi.PATH) || path.startsWith(StoredResponsesApi.PATH)) {
            return RESPONSES;
        }
        if (path.equals(InfillApi.PATH)) {
            return LLAMA_CPP;
        }
        return path.startsWith(OLLAMA_ROUTES) ? OLLAMA : OPENAI;
    }

    MediaType streamType() {
        return this == OLLAMA ? LINES : EVENT_STREAM;
    }

    /// Returns a part as one piece of data: [Http1Connection] may put a comment between pieces.
    ///
    /// @param id of the event, or empty
    /// @param name of the event, or empty
    HttpData framed(String id, String name, byte[] json) {
        byte[] before =
                switch (this) {
                    case OPENAI, RESPONSES, ANTHROPIC, LLAMA_CPP ->
                            utf8(
                                    (id.isEmpty() ? "" : "id: " + id + "\n")
                                            + (name.isEmpty() ? "" : "event: " + name + "\n")
                                            + "data: ");
                    case OLLAMA -> new byte[0];
                };
        byte[] after = utf8(this == OLLAMA ? "\n" : "\n\n");
        byte[] part = new byte[before.length + json.length + after.length];
        System.arraycopy(before, 0, part, 0, before.length);
        System.arraycopy(json, 0, part, before.length, json.length);
        System.arraycopy(after, 0, part, before.length + json.length, after.length);
        return HttpData.wrap(part);
    }

    HttpData framedError(ApiError error, String requestId) {
        return framed("", this == ANTHROPIC ? "error" : "", Json.bytes(error(error, requestId)));
    }

    /// Returns the data after the last part; may be empty.
    HttpData end() {
        return this == OPENAI ? HttpData.ofUtf8("data: [DONE]\n\n") : HttpData.empty();
    }

    /// Returns what a stream that would be silent sends; empty where clients accept nothing but
    /// their parts.
    HttpData silence() {
        return this == OLLAMA ? HttpData.empty() : HttpData.ofUtf8(HttpExchange.COMMENT);
    }

    int status(ApiError error) {
        return this == ANTHROPIC && error.status() == 503 ? OVERLOADED : error.status();
    }

    ObjectNode error(ApiError error, String requestId) {
        return switch (this) {
            case OPENAI, RESPONSES, LLAMA_CPP -> error.toJson();
            case ANTHROPIC -> {
                ObjectNode root = Json.object().put("type", "error");
                root.putObject("error")
                        .put("type", anthropicType(error.status()))
                        .put("message", error.message());
                yield root.put("request_id", requestId);
            }
            case OLLAMA -> Json.object().put("error", error.message());
        };
    }

    private static String anthropicType(int status) {
        return switch (status) {
            case 401 -> "authentication_error";
            case 403 -> "permission_error";
            case 404 -> "not_found_error";
            case 413 -> "request_too_large";
            case 429 -> "rate_limit_error";
            case 503 -> "overloaded_error";
            case 504 -> "timeout_error";
            default -> status < 500 ? "invalid_request_error" : "api_error";
        };
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
