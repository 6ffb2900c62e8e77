// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.PositionOutputs;

/// An answer in the form of Anthropic's API, which has one choice.
abstract class MessagesAnswer implements ResponseSink, MessageBlocks.Receiver {
    private final HttpExchange exchange;
    private final PreparedRequest request;
    private final MessageBlocks blocks;
    private Finish finish = Finish.length();

    MessagesAnswer(HttpExchange exchange, PreparedRequest request) {
        this.exchange = exchange;
        this.request = request;
        this.blocks = new MessageBlocks(this);
    }

    final HttpExchange exchange() {
        return exchange;
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {}

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        begin(usage.before(delta));
        delta.events().forEach(blocks::accept);
    }

    @Override
    public void finished(int choice, Finish end, TokenUsage usage) {
        begin(usage);
        blocks.end();
        finish = end;
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }

    /// Begins the message, unless it has begun.
    abstract void begin(TokenUsage usage);

    /// Returns the message without content.
    final ObjectNode message(TokenUsage usage) {
        ObjectNode message =
                Json.object()
                        .put("id", request.id())
                        .put("type", "message")
                        .put("role", "assistant")
                        .put("model", request.model().name());
        message.putArray("content");
        message.putNull("stop_reason").putNull("stop_sequence");
        message.set("usage", usage(usage));
        return message;
    }

    /// Sets why the message ended.
    final void putStop(ObjectNode to) {
        to.put("stop_reason", stopReason());
        Json.putOrNull(to, "stop_sequence", finish.stopText());
    }

    private String stopReason() {
        return switch (finish.reason()) {
            case LENGTH -> "max_tokens";
            case TOOL_CALLS -> "tool_use";
            case STOP -> finish.stopText().isEmpty() ? "end_turn" : "stop_sequence";
        };
    }

    /// Returns the usage, whose input tokens are those that were not in the cache.
    static ObjectNode usage(TokenUsage usage) {
        return Json.object()
                .put("input_tokens", usage.promptTokens() - usage.cachedTokens())
                .put("cache_creation_input_tokens", 0)
                .put("cache_read_input_tokens", usage.cachedTokens())
                .put("output_tokens", usage.completionTokens());
    }
}
