// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.ToolCalls;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads the `messages` of a conversation into the form that chat templates expect.
///
/// Tool calls and their results are part of a conversation whether or not tools are served: the
/// template renders them.
final class ChatMessages {
    private static final String ASSISTANT = "assistant";
    private static final String TOOL = "tool";
    private static final String FUNCTION = "function";
    private static final String FUNCTION_CALL = "function_call";
    private static final String CALL_ID = "tool_call_id";
    private static final String REASONING = "reasoning_content";
    private static final List<String> ROLES =
            List.of("system", "developer", "user", ASSISTANT, TOOL);

    /// Fields of a message that are not served, with what to use instead.
    private static final Map<String, String> UNSERVED_FIELDS = Map.of("audio", "leave it out");

    /// More than fit in any context, few enough to render.
    private static final int MAX_MESSAGES = 65_536;

    private final EmbeddedJson arguments = new EmbeddedJson();

    /// The calls of the older form, which have no ids.
    private int olderCalls;

    private ChatMessages() {}

    static List<Map<String, @Nullable Object>> parse(Fields fields) {
        var reader = new ChatMessages();
        List<Map<String, @Nullable Object>> messages =
                fields.list("messages", MAX_MESSAGES, reader::message);
        if (messages.isEmpty()) {
            throw ApiError.invalid(
                    "messages",
                    fields.has("messages")
                            ? "messages is empty, it must have at least one message"
                            : "messages is missing, give at least one message");
        }
        return messages;
    }

    private Map<String, @Nullable Object> message(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        UNSERVED_FIELDS.forEach(
                (field, instead) -> {
                    if (fields.has(field) && !fields.value(field).isEmpty()) {
                        throw ApiError.unserved(
                                fields.name(field),
                                fields.name(field) + " is not served; " + instead);
                    }
                });
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        String role = role(fields);
        message.put("role", role);
        List<Map<String, @Nullable Object>> calls =
                fields.list(
                        ToolCalls.FIELD,
                        MAX_MESSAGES,
                        (path, call) -> ToolCallFields.parse(path, call, arguments));
        requireRole(fields, ToolCalls.FIELD, !calls.isEmpty(), role, ASSISTANT);
        if (fields.has(FUNCTION_CALL)) {
            requireRole(fields, FUNCTION_CALL, true, role, ASSISTANT);
            calls = List.of(olderCall(fields));
        }
        message.put("content", calls.isEmpty() || fields.has("content") ? content(fields) : "");
        fields.text("name").ifPresent(text -> message.put("name", text));
        if (!calls.isEmpty()) {
            message.put(ToolCalls.FIELD, calls);
        }
        if (fields.requireText("role").equals(FUNCTION)) {
            message.put(CALL_ID, olderCallId());
        }
        putText(fields, CALL_ID, message, role, TOOL);
        // Other servers return it as "reasoning"; templates know the older name.
        String reasoning = fields.has("reasoning") ? "reasoning" : REASONING;
        putText(fields, reasoning, message, role, ASSISTANT);
        return message;
    }

    /// Reads a call in the form that clients of `functions` send.
    private Map<String, @Nullable Object> olderCall(Fields fields) {
        olderCalls++;
        ObjectNode call = Json.object().put("id", olderCallId()).put("type", FUNCTION);
        call.set(FUNCTION, fields.value(FUNCTION_CALL));
        return ToolCallFields.parse(fields.name(FUNCTION_CALL), call, arguments);
    }

    /// The id of the last such call, of nine letters and digits, as some templates demand.
    private String olderCallId() {
        return "call%05d".formatted(olderCalls);
    }

    private static void putText(
            Fields fields,
            String field,
            Map<String, @Nullable Object> message,
            String role,
            String requiredRole) {
        String text = fields.text(field).orElse("");
        requireRole(fields, field, !text.isEmpty(), role, requiredRole);
        if (!text.isEmpty()) {
            message.put(field.equals("reasoning") ? REASONING : field, text);
        }
    }

    private static void requireRole(
            Fields fields, String field, boolean given, String role, String required) {
        if (given && !role.equals(required)) {
            throw ApiError.invalid(
                    fields.name(field),
                    "%s is given and %s is \"%s\", it must be %s"
                            .formatted(fields.name(field), fields.name("role"), role, required));
        }
    }

    private static String role(Fields fields) {
        if (fields.requireText("role").equals(FUNCTION)) {
            return TOOL;
        }
        String role = fields.requireOneOf("role", ROLES);
        // "developer" is the newer name of the role; templates know the older one.
        return role.equals("developer") ? "system" : role;
    }

    /// Reads the content: text, or a list of text parts, which are joined.
    private static String content(Fields fields) {
        JsonNode value = fields.value("content");
        if (value.isTextual()) {
            return Fields.text(fields.name("content"), value);
        }
        if (!value.isArray()) {
            throw value.isMissingNode()
                    ? ApiError.invalid(
                            fields.name("content"),
                            fields.name("content") + " is missing, give text")
                    : Fields.wrong(fields.name("content"), "text or an array of parts", value);
        }
        return String.join("", fields.list("content", MAX_MESSAGES, ChatMessages::part));
    }

    private static String part(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        String type = fields.requireText("type");
        if (!type.equals("text")) {
            throw ApiError.unserved(
                    fields.name("type"),
                    fields.name("type")
                            + " is \""
                            + Json.quoted(type)
                            + "\"; only parts of type \"text\" are served");
        }
        return fields.requireText("text");
    }
}
