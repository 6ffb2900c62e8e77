// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/// Tool calls within a message: clients send their arguments as JSON text, templates need objects.
public final class ToolCalls {
    /// The message field that holds the tool calls.
    public static final String FIELD = "tool_calls";

    private static final String ARGUMENTS = "arguments";
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private ToolCalls() {}

    /// Returns a copy of the message with the arguments of its calls as objects; a call without
    /// arguments has an empty one.
    ///
    /// @throws IllegalArgumentException if they are not a JSON object, nor the text of one
    public static ObjectNode parsed(ObjectNode message) {
        ObjectNode copy = message.deepCopy();
        for (JsonNode call : copy.path(FIELD)) {
            if (call.path("function") instanceof ObjectNode function) {
                function.set(ARGUMENTS, arguments(function.path(ARGUMENTS)));
            }
        }
        return copy;
    }

    private static ObjectNode arguments(JsonNode written) {
        JsonNode value = written.isTextual() ? json(written.textValue()) : written;
        if (value.isMissingNode() || value.isNull()) {
            return JSON.createObjectNode();
        }
        if (value instanceof ObjectNode object) {
            return object;
        }
        String shown = value.toString();
        throw new IllegalArgumentException(
                "arguments of a tool call are not a JSON object: "
                        + (shown.length() <= 60 ? shown : shown.substring(0, 60) + "…"));
    }

    /// Returns the value that a text denotes, none for a blank text.
    private static JsonNode json(String text) {
        try {
            return JSON.readTree(text);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException(
                    "arguments of a tool call are not JSON: " + e.getOriginalMessage(), e);
        }
    }
}
