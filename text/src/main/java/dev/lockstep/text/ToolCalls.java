// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/// Tool calls within a message: clients send their arguments as JSON text, templates need objects.
public final class ToolCalls {
    /// The message field that holds the tool calls.
    public static final String FIELD = "tool_calls";

    private static final ObjectMapper JSON =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();

    private ToolCalls() {}

    /// Returns a copy of the message with the arguments of its calls as objects.
    ///
    /// @throws IllegalArgumentException if they are text that is not a JSON object
    public static ObjectNode parsed(ObjectNode message) {
        ObjectNode copy = message.deepCopy();
        copy.path(FIELD).forEach(call -> parseArguments(call.path("function")));
        return copy;
    }

    private static void parseArguments(JsonNode function) {
        if (function instanceof ObjectNode object && object.path("arguments").isTextual()) {
            String text = object.get("arguments").textValue();
            try {
                // An empty text is a call without arguments.
                JsonNode parsed = text.isBlank() ? JSON.createObjectNode() : JSON.readTree(text);
                if (!parsed.isObject()) {
                    throw new IllegalArgumentException(
                            "arguments of a tool call are not a JSON object");
                }
                object.set("arguments", parsed);
            } catch (JsonProcessingException e) {
                throw new IllegalArgumentException(
                        "arguments of a tool call are not JSON: " + e.getOriginalMessage(), e);
            }
        }
    }
}
