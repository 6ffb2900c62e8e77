// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// A response as server-sent events: `data: {…}` for each chunk, `data: [DONE]` at the end, a
/// comment during silence.
///
/// Nothing is sent before the first token, so that a failure until then is a plain HTTP error; only
/// a long wait sends the headers early, because proxies cut silent connections. Where the response
/// goes on for a client that has some of its events, only the others are sent.
final class EventStream implements ResponseSink {
    private final HttpExchange exchange;
    private final PreparedRequest request;
    private final ResponseFormat format;
    private final StreamFields delivery;
    private final PromptLogprobs promptLogprobs;
    private final boolean[] opened;
    private final StreamPlace place;

    EventStream(
            HttpExchange exchange,
            PreparedRequest request,
            ResponseFormat format,
            StreamFields delivery) {
        this.exchange = exchange;
        this.request = request;
        this.format = format;
        this.delivery = delivery;
        this.promptLogprobs = new PromptLogprobs(request);
        this.opened = new boolean[request.choices()];
        this.place = StreamPlace.of(request);
    }

    @Override
    public void at(int position, boolean whole) {
        place.at(position, whole);
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {
        promptLogprobs.add(choice, outputs);
    }

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        open(choice, usage.before(delta));
        if (isVisible(delta)) {
            List<ObjectNode> chunks = format.chunks(choice, delta);
            for (int i = 0; i < chunks.size(); i++) {
                if (!place.count(choice, i == chunks.size() - 1)) {
                    send(chunks.get(i), usage);
                }
            }
        }
    }

    @Override
    public void finished(int choice, Finish finish, TokenUsage usage) {
        open(choice, usage);
        if (!place.count(choice, true)) {
            send(format.lastChunk(choice, finish), usage);
        }
    }

    @Override
    public void quiet() {
        exchange.comment();
    }

    @Override
    public void completed(TokenUsage usage) {
        if (delivery.usage() && !place.hasEnd()) {
            ObjectNode chunk = request.head(format.objectName(true));
            chunk.putArray("choices");
            chunk.set("usage", usage.toJson());
            exchange.identifiedEvent(place.endId(), Json.bytes(chunk));
        }
        exchange.endEvents();
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }

    /// Sends the first chunk. Those of all choices are sent together, as clients expect; with
    /// log-probabilities of the prompt, each is sent once these have arrived.
    private void open(int choice, TokenUsage usage) {
        if (opened[choice]) {
            return;
        }
        if (format.showsPrompt()) {
            sendOpening(choice, usage);
        } else {
            for (int each = 0; each < opened.length; each++) {
                sendOpening(each, usage);
            }
        }
    }

    private void sendOpening(int choice, TokenUsage usage) {
        opened[choice] = true;
        if (place.open(choice)) {
            return;
        }
        List<GeneratedToken> prompt = promptLogprobs.of(choice);
        format.opening(choice, prompt)
                .ifPresent(
                        node -> {
                            ObjectNode chunk = chunk(node, usage);
                            if (choice == 0) {
                                format.putTopLevelFields(chunk, prompt);
                            }
                            exchange.identifiedEvent(place.id(), Json.bytes(chunk));
                        });
    }

    /// Returns whether a delta gets chunks: tokens without text only where ids or log-probabilities
    /// were requested.
    private boolean isVisible(Delta delta) {
        return !delta.events().isEmpty() || format.showsTokens();
    }

    private void send(ObjectNode choice, TokenUsage usage) {
        exchange.identifiedEvent(place.id(), Json.bytes(chunk(choice, usage)));
    }

    private ObjectNode chunk(ObjectNode choice, TokenUsage usage) {
        ObjectNode chunk = request.head(format.objectName(true));
        chunk.putArray("choices").add(choice);
        if (delivery.continuousUsage()) {
            chunk.set("usage", usage.toJson());
        } else if (delivery.usage()) {
            chunk.putNull("usage");
        }
        return chunk;
    }
}
