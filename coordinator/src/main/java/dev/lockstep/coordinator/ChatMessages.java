// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Reads the `messages` of a conversation into the form that chat templates expect.
final class ChatMessages {
    private static final Set<String> ROLES = Set.of("system", "developer", "user", "assistant");
    private static final Set<String> UNSERVED_ROLES = Set.of("tool", "function");
    private static final List<String> UNSERVED_FIELDS =
            List.of("tool_calls", "tool_call_id", "function_call", "audio", "reasoning_content");

    /// More than fit in any context, few enough to render.
    private static final int MAX_MESSAGES = 65_536;

    private ChatMessages() {}

    static ServedModel.ChatPrompt parse(Fields fields) {
        List<Map<String, @Nullable Object>> messages =
                fields.list("messages", MAX_MESSAGES, ChatMessages::message);
        requireNotEmpty(fields, messages);
        return new ServedModel.ChatPrompt(
                messages,
                fields.flag("add_generation_prompt", true),
                fields.flag("add_special_tokens", false));
    }

    static void requireNotEmpty(Fields fields, List<?> messages) {
        if (messages.isEmpty()) {
            throw ApiError.invalid(
                    "messages",
                    fields.has("messages")
                            ? "messages is empty, it must have at least one message"
                            : "messages is missing, give at least one message");
        }
    }

    static Map<String, @Nullable Object> message(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        for (String field : UNSERVED_FIELDS) {
            if (fields.has(field) && !fields.value(field).isEmpty()) {
                throw ApiError.unserved(
                        fields.name(field), fields.name(field) + " is not served; leave it out");
            }
        }
        Map<String, @Nullable Object> message = new LinkedHashMap<>();
        message.put("role", role(fields));
        message.put("content", content(fields));
        fields.text("name").ifPresent(text -> message.put("name", text));
        return message;
    }

    private static String role(Fields fields) {
        String role = fields.requireText("role");
        if (UNSERVED_ROLES.contains(role)) {
            throw ApiError.unserved(
                    fields.name("role"),
                    fields.name("role") + " is \"" + role + "\"; tools are not served");
        }
        if (!ROLES.contains(role)) {
            throw ApiError.invalid(
                    fields.name("role"),
                    fields.name("role")
                            + " is \""
                            + Json.quoted(role)
                            + "\", it must be system, developer, user or assistant");
        }
        // "developer" is the newer name of the role; templates know the older one.
        return role.equals("developer") ? "system" : role;
    }

    /// Reads the content: text, or a list of text parts, which are joined.
    static String content(Fields fields) {
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
