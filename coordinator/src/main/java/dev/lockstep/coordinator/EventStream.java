package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// An answer as server-sent events: `data: {…}` for each, `data: [DONE]` at the end, a comment in
/// silence.
///
/// Nothing is sent before the first token, so that what goes wrong until then is a plain HTTP
/// error; only a long wait sends the headers early, because proxies cut connections that say
/// nothing.
final class EventStream implements ResponseSink {
    private final HttpExchange exchange;
    private final PreparedRequest request;
    private final ResponseFormat format;
    private final StreamFields delivery;
    private final PromptTokens promptTokens;
    private final boolean[] opened;

    EventStream(
            HttpExchange exchange,
            PreparedRequest request,
            ResponseFormat format,
            StreamFields delivery) {
        this.exchange = exchange;
        this.request = request;
        this.format = format;
        this.delivery = delivery;
        this.promptTokens = new PromptTokens(request);
        this.opened = new boolean[request.choices()];
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {
        promptTokens.add(choice, outputs);
    }

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        open(choice, usage.before(delta));
        if (isVisible(delta)) {
            send(format.chunk(choice, delta), usage);
        }
    }

    @Override
    public void finished(int choice, Finish finish, TokenUsage usage) {
        open(choice, usage);
        send(format.lastChunk(choice, finish), usage);
    }

    @Override
    public void quiet() {
        exchange.comment();
    }

    @Override
    public void completed(TokenUsage usage) {
        if (delivery.usage()) {
            ObjectNode chunk = request.head(format.objectName(true));
            chunk.putArray("choices");
            chunk.set("usage", usage.toJson());
            exchange.event(Json.bytes(chunk));
        }
        exchange.endEvents();
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }

    /// The first chunks of all choices come together, as clients expect them; those that show the
    /// prompt's log-probabilities when these are there.
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
        List<GeneratedToken> prompt = promptTokens.of(choice);
        format.opening(choice, prompt)
                .ifPresent(
                        node -> {
                            ObjectNode chunk = chunk(node, usage);
                            if (choice == 0) {
                                format.putFurther(chunk, prompt);
                            }
                            exchange.event(Json.bytes(chunk));
                        });
    }

    /// Whether a delta gets a chunk: tokens without text only where ids or log-probabilities were
    /// requested.
    private boolean isVisible(Delta delta) {
        return !delta.text().isEmpty() || format.showsTokens();
    }

    private void send(ObjectNode choice, TokenUsage usage) {
        exchange.event(Json.bytes(chunk(choice, usage)));
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
