// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.Map;

/// An answer of `/v1/messages` as one JSON object.
final class MessagesWhole extends MessagesAnswer {
    private final ArrayNode content = Json.array();

    /// The pieces of the block that is open, by field.
    private final Map<String, StringBuilder> pieces = new LinkedHashMap<>();

    MessagesWhole(HttpExchange exchange, PreparedRequest request) {
        super(exchange, request);
    }

    @Override
    void begin(TokenUsage usage) {}

    @Override
    public void begin(int index, ObjectNode block) {
        content.add(block);
    }

    @Override
    public void piece(int index, String type, String field, String text) {
        pieces.computeIfAbsent(field, each -> new StringBuilder()).append(text);
    }

    @Override
    public void end(int index) {
        var block = (ObjectNode) content.get(index);
        pieces.forEach(
                (field, text) -> {
                    if (field.equals("partial_json")) {
                        block.set("input", Json.objectOrEmpty(text.toString()));
                    } else {
                        block.put(field, text.toString());
                    }
                });
        pieces.clear();
    }

    @Override
    public void quiet() {}

    @Override
    public void completed(TokenUsage usage) {
        ObjectNode message = message(usage);
        message.set("content", content);
        putStop(message);
        exchange().json(200, message);
    }
}
