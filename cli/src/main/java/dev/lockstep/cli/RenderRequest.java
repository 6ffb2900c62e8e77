// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ToolCalls;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Converts a chat request to a template's variables.
///
/// Every field except `messages` and `add_generation_prompt` (default true) becomes a variable
/// under its name, and so does every member of `chat_template_kwargs`; a null field stays
/// undefined. `arguments` of a tool call may be the JSON text that OpenAI clients send.
final class RenderRequest {
    private static final String MESSAGES = "messages";
    private static final String GENERATION = "add_generation_prompt";
    private static final String MORE = "chat_template_kwargs";

    private RenderRequest() {}

    static ChatVariables variables(ObjectNode request) {
        JsonNode generation = request.path(GENERATION);
        if (!generation.isMissingNode() && !generation.isNull() && !generation.isBoolean()) {
            throw new IllegalArgumentException(GENERATION + " is neither true nor false");
        }
        ChatVariables variables =
                ChatVariables.of(messages(request.path(MESSAGES)), generation.asBoolean(true));
        for (Map.Entry<String, JsonNode> field : request.properties()) {
            if (field.getKey().equals(MORE)) {
                for (Map.Entry<String, JsonNode> more : field.getValue().properties()) {
                    variables = with(variables, more);
                }
            } else if (!field.getKey().equals(MESSAGES) && !field.getKey().equals(GENERATION)) {
                variables = with(variables, field);
            }
        }
        return variables;
    }

    private static ChatVariables with(ChatVariables variables, Map.Entry<String, JsonNode> field) {
        return field.getValue().isNull()
                ? variables
                : variables.with(
                        field.getKey(),
                        JsonLines.JSON.convertValue(field.getValue(), Object.class));
    }

    private static List<Map<String, @Nullable Object>> messages(JsonNode value) {
        if (!value.isArray()) {
            throw new IllegalArgumentException(
                    value.isMissingNode() ? "messages is missing" : "messages is not an array");
        }
        List<Map<String, @Nullable Object>> messages = new ArrayList<>();
        for (int i = 0; i < value.size(); i++) {
            if (!(value.get(i) instanceof ObjectNode message)) {
                throw new IllegalArgumentException("messages[%d] is not an object".formatted(i));
            }
            messages.add(
                    JsonLines.JSON.convertValue(
                            ToolCalls.parsed(message), new TypeReference<>() {}));
        }
        return messages;
    }
}
