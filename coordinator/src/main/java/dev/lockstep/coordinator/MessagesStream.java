// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;

/// An answer of `/v1/messages` as events: `message_start`, the content blocks, each with
/// `content_block_start`, `content_block_delta` and `content_block_stop`, then `message_delta` and
/// `message_stop`. A `ping` follows the first `content_block_start`, and silence.
///
/// Nothing is sent before the first token, so that a failure until then is a plain HTTP error; only
/// a long wait sends the headers early.
final class MessagesStream extends MessagesAnswer {
    private boolean begun;

    MessagesStream(HttpExchange exchange, PreparedRequest request) {
        super(exchange, request);
    }

    @Override
    void begin(TokenUsage usage) {
        if (!begun) {
            begun = true;
            ObjectNode start = event("message_start");
            start.set("message", message(usage));
            send(start);
        }
    }

    @Override
    public void begin(int index, ObjectNode block) {
        ObjectNode start = event("content_block_start").put("index", index);
        start.set("content_block", block);
        send(start);
        if (index == 0) {
            send(event("ping"));
        }
    }

    @Override
    public void piece(int index, String type, String field, String text) {
        ObjectNode piece = event("content_block_delta").put("index", index);
        piece.putObject("delta").put("type", type).put(field, text);
        send(piece);
    }

    @Override
    public void end(int index) {
        send(event("content_block_stop").put("index", index));
    }

    @Override
    public void quiet() {
        if (begun) {
            send(event("ping"));
        } else {
            // Clients expect no event before the first one.
            exchange().comment();
        }
    }

    @Override
    public void completed(TokenUsage usage) {
        ObjectNode delta = event("message_delta");
        putStop(delta.putObject("delta"));
        delta.set("usage", usage(usage));
        send(delta);
        send(event("message_stop"));
        exchange().endEvents();
    }

    private static ObjectNode event(String type) {
        return Json.object().put("type", type);
    }

    private void send(ObjectNode event) {
        exchange().event(event.get("type").asText(), Json.bytes(event));
    }
}
