// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// Reads `messages` of Ollama's API into the messages of a chat.
///
/// Calls of tools may have no ids there: a result then belongs to the first call of its tool that
/// has none yet.
final class OllamaConversation {
    private static final int MAX_ENTRIES = 65_536;
    private static final Set<String> ROLES = Set.of("system", "user", "assistant", "tool");

    private final ChatBody chat;
    private final List<Call> open = new ArrayList<>();
    private int calls;

    /// A call without a result.
    private record Call(String id, String name) {}

    OllamaConversation(ChatBody chat) {
        this.chat = chat;
    }

    void read(Fields fields) {
        fields.list("messages", MAX_ENTRIES, this::message);
    }

    private String message(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        String role = fields.requireText("role");
        if (!ROLES.contains(role)) {
            throw Fields.outside(
                    fields.name("role"), fields.value("role"), "{system, user, assistant, tool}");
        }
        OllamaFields.refuse(fields, "images", "only text is served");
        ObjectNode message = chat.message(role, fields.text("content").orElse(""));
        switch (role) {
            case "assistant" -> {
                fields.text("thinking").ifPresent(text -> message.put("reasoning_content", text));
                List<ObjectNode> made = fields.list("tool_calls", MAX_ENTRIES, this::call);
                if (!made.isEmpty()) {
                    ArrayNode list = message.putArray("tool_calls");
                    made.forEach(list::add);
                }
            }
            case "tool" -> result(fields, message);
            default -> {}
        }
        return role;
    }

    private ObjectNode call(String name, JsonNode value) {
        Fields call = Fields.object(name, value);
        Fields function = ToolCallFields.function(call);
        String id = call.text("id").orElse("call_" + calls);
        calls++;
        String tool = function.requireText("name");
        open.add(new Call(id, tool));
        ObjectNode read = Json.object().put("id", id).put("type", "function");
        read.putObject("function")
                .put("name", tool)
                .set(
                        "arguments",
                        function.object("arguments").map(Fields::node).orElseGet(Json::object));
        return read;
    }

    private void result(Fields fields, ObjectNode message) {
        String tool = fields.text("tool_name").or(() -> fields.text("name")).orElse("");
        String id = fields.text("tool_call_id").orElse("");
        for (Call call : open) {
            boolean meant =
                    id.isEmpty() ? tool.isEmpty() || tool.equals(call.name) : id.equals(call.id);
            if (meant) {
                open.remove(call);
                message.put("name", call.name).put("tool_call_id", call.id);
                return;
            }
        }
        Json.putUnlessEmpty(message, "name", tool);
        Json.putUnlessEmpty(message, "tool_call_id", id);
    }
}
