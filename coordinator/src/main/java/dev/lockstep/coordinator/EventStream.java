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
    private final ResponseHead head;
    private final ResponseFormat format;
    private final StreamFields delivery;
    private final int promptTokens;
    private final PromptTokens scored;
    private final boolean[] opened;
    private int completionTokens;
    private int cachedTokens;

    /// @param promptTokens for usage in every chunk
    EventStream(
            HttpExchange exchange,
            ResponseHead head,
            ResponseFormat format,
            StreamFields delivery,
            int choices,
            int choicesPerPrompt,
            int promptTokens) {
        this.exchange = exchange;
        this.head = head;
        this.format = format;
        this.delivery = delivery;
        this.promptTokens = promptTokens;
        this.scored = new PromptTokens(choices, choicesPerPrompt);
        this.opened = new boolean[choices];
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {
        scored.add(choice, outputs);
    }

    @Override
    public void cached(int tokens) {
        cachedTokens = tokens;
    }

    @Override
    public void delta(int choice, Delta delta) {
        open(choice);
        completionTokens += delta.tokens().size();
        if (isVisible(delta)) {
            send(format.chunk(choice, delta));
        }
    }

    @Override
    public void finished(int choice, Finish finish) {
        open(choice);
        send(format.lastChunk(choice, finish));
    }

    @Override
    public void quiet() {
        exchange.comment();
    }

    @Override
    public void completed(TokenUsage usage) {
        if (delivery.usage()) {
            ObjectNode chunk = head.toJson(format.objectName(true));
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
    private void open(int choice) {
        if (opened[choice]) {
            return;
        }
        if (format.showsPrompt()) {
            sendOpening(choice);
        } else {
            for (int each = 0; each < opened.length; each++) {
                sendOpening(each);
            }
        }
    }

    private void sendOpening(int choice) {
        opened[choice] = true;
        List<GeneratedToken> prompt = scored.of(choice);
        format.opening(choice, prompt)
                .ifPresent(
                        node -> {
                            ObjectNode chunk = chunk(node);
                            if (choice == 0) {
                                format.putFurther(chunk, prompt);
                            }
                            exchange.event(Json.bytes(chunk));
                        });
    }

    /// Tokens without text are only worth a chunk to who asked for ids or log-probabilities.
    private boolean isVisible(Delta delta) {
        return !delta.text().isEmpty() || format.showsTokens();
    }

    private void send(ObjectNode choice) {
        exchange.event(Json.bytes(chunk(choice)));
    }

    private ObjectNode chunk(ObjectNode choice) {
        ObjectNode chunk = head.toJson(format.objectName(true));
        chunk.putArray("choices").add(choice);
        if (delivery.continuousUsage()) {
            chunk.set(
                    "usage", new TokenUsage(promptTokens, completionTokens, cachedTokens).toJson());
        } else if (delivery.usage()) {
            chunk.putNull("usage");
        }
        return chunk;
    }
}
