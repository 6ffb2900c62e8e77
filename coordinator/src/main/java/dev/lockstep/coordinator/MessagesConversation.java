// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Reads `system` and `messages` of Anthropic's API into the messages of a chat.
///
/// A message of the user may hold results of tools, which are messages of their own in a chat. A
/// last message of the assistant is continued.
final class MessagesConversation {
    private static final int MAX_ENTRIES = 65_536;

    private final ChatBody chat;

    /// The names of called tools by the ids of the calls.
    private final Map<String, String> called = new HashMap<>();

    /// What a message of the assistant consists of.
    private static final class Parts {
        final StringBuilder text = new StringBuilder();
        final StringBuilder thinking = new StringBuilder();
        final ArrayNode calls = Json.array();
    }

    MessagesConversation(ChatBody chat) {
        this.chat = chat;
    }

    void read(Fields fields) {
        if (fields.has("system")) {
            chat.message("system", text(fields, "system"));
        }
        List<String> roles = fields.list("messages", MAX_ENTRIES, this::message);
        if (roles.isEmpty()) {
            throw ApiError.invalid(
                    "messages",
                    fields.has("messages")
                            ? "messages is empty, it must have at least one message"
                            : "messages is missing, give at least one message");
        }
        if (roles.getLast().equals("assistant")) {
            chat.node().put("add_generation_prompt", false).put("continue_final_message", true);
        }
    }

    /// Reads text, or blocks of text, which are joined.
    private static String text(Fields fields, String field) {
        JsonNode value = fields.value(field);
        if (value.isTextual()) {
            return Fields.text(fields.name(field), value);
        }
        if (!value.isArray()) {
            throw Fields.wrong(fields.name(field), "text or an array of blocks", value);
        }
        return String.join("", fields.list(field, MAX_ENTRIES, MessagesConversation::textBlock));
    }

    private static String textBlock(String name, JsonNode value) {
        Fields block = Fields.object(name, value);
        String type = block.requireText("type");
        if (!type.equals("text")) {
            throw unserved(block, type, "\"text\"");
        }
        return block.requireText("text");
    }

    private String message(String name, JsonNode value) {
        Fields message = Fields.object(name, value);
        String role = message.requireText("role");
        boolean user = role.equals("user");
        if (!user && !role.equals("assistant")) {
            throw Fields.outside(message.name("role"), message.value("role"), "{user, assistant}");
        }
        JsonNode content = message.value("content");
        if (content.isTextual()) {
            chat.message(role, Fields.text(message.name("content"), content));
        } else if (!content.isArray()) {
            throw Fields.wrong(message.name("content"), "text or an array of blocks", content);
        } else if (user) {
            user(message);
        } else {
            assistant(message);
        }
        return role;
    }

    private void user(Fields message) {
        var text = new StringBuilder();
        int before = chat.messages().size();
        message.list(
                "content",
                MAX_ENTRIES,
                (name, value) -> {
                    Fields block = Fields.object(name, value);
                    String type = block.requireText("type");
                    switch (type) {
                        case "text" -> text.append(block.requireText("text"));
                        case "tool_result" -> {
                            flush(text);
                            result(block);
                        }
                        default -> throw unserved(block, type, "\"text\" and \"tool_result\"");
                    }
                    return name;
                });
        if (!text.isEmpty() || chat.messages().size() == before) {
            chat.message("user", text.toString());
        }
    }

    private void flush(StringBuilder text) {
        if (!text.isEmpty()) {
            chat.message("user", text.toString());
            text.setLength(0);
        }
    }

    /// Reads the result of a tool. Templates know no failure, so the text says it.
    private void result(Fields block) {
        String id = block.requireText("tool_use_id");
        String content = block.has("content") ? text(block, "content") : "";
        boolean failed = block.flag("is_error", false);
        ObjectNode result =
                chat.message("tool", failed ? "Error: " + content : content)
                        .put("tool_call_id", id);
        if (called.containsKey(id)) {
            result.put("name", called.get(id));
        }
    }

    private void assistant(Fields message) {
        var parts = new Parts();
        message.list("content", MAX_ENTRIES, (name, value) -> part(name, value, parts));
        ObjectNode read = chat.message("assistant", parts.text.toString());
        if (!parts.thinking.isEmpty()) {
            read.put("reasoning_content", parts.thinking.toString());
        }
        if (!parts.calls.isEmpty()) {
            read.set("tool_calls", parts.calls);
        }
    }

    private String part(String name, JsonNode value, Parts parts) {
        Fields block = Fields.object(name, value);
        String type = block.requireText("type");
        switch (type) {
            case "text" -> parts.text.append(block.requireText("text"));
            case "thinking" -> parts.thinking.append(block.requireText("thinking"));
            case "redacted_thinking" -> {
                // Only the model that wrote it could read it.
                block.requireText("data");
            }
            case "tool_use" -> call(block, parts.calls.addObject());
            default ->
                    throw unserved(
                            block,
                            type,
                            "\"text\", \"tool_use\", \"thinking\" and \"redacted_thinking\"");
        }
        return name;
    }

    private void call(Fields block, ObjectNode call) {
        String id = block.requireText("id");
        String name = block.requireText("name");
        ObjectNode input = block.object("input").map(Fields::node).orElseGet(Json::object);
        called.put(id, name);
        call.put("id", id).put("type", "function");
        call.putObject("function").put("name", name).set("arguments", input);
    }

    private static ApiError unserved(Fields block, String type, String served) {
        return ApiError.unserved(
                block.name("type"),
                block.name("type")
                        + " is \""
                        + Json.quoted(type)
                        + "\"; only blocks of type "
                        + served
                        + " are served here");
    }
}
