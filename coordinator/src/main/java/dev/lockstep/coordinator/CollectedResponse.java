// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;

/// A response that consists of outputs of positions only: one JSON object, sent when all have
/// arrived.
abstract class CollectedResponse implements ResponseSink {
    private final HttpExchange exchange;

    CollectedResponse(HttpExchange exchange) {
        this.exchange = exchange;
    }

    abstract ObjectNode toJson(TokenUsage usage);

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {}

    @Override
    public void finished(int choice, Finish finish, TokenUsage usage) {}

    @Override
    public void quiet() {}

    @Override
    public void completed(TokenUsage usage) {
        exchange.json(200, toJson(usage));
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }
}
