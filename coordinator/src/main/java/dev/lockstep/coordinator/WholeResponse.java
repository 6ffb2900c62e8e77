package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.List;

/// An answer as one JSON object, sent when all choices have ended.
final class WholeResponse implements ResponseSink {
    private final HttpExchange exchange;
    private final PreparedRequest request;
    private final ResponseFormat format;
    private final PromptTokens promptTokens;
    private final List<Collected> choices = new ArrayList<>();

    /// One choice so far.
    private static final class Collected {
        final StringBuilder text = new StringBuilder();
        final List<Delta.Shown> tokens = new ArrayList<>();
        Finish finish = Finish.length();
    }

    WholeResponse(HttpExchange exchange, PreparedRequest request, ResponseFormat format) {
        this.exchange = exchange;
        this.request = request;
        this.format = format;
        this.promptTokens = new PromptTokens(request);
        for (int choice = 0; choice < request.choices(); choice++) {
            choices.add(new Collected());
        }
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {
        promptTokens.add(choice, outputs);
    }

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        Collected collected = choices.get(choice);
        collected.text.append(delta.text());
        collected.tokens.addAll(delta.tokens());
    }

    @Override
    public void finished(int choice, Finish finish, TokenUsage usage) {
        choices.get(choice).finish = finish;
    }

    @Override
    public void quiet() {}

    @Override
    public void completed(TokenUsage usage) {
        ObjectNode whole = request.head(format.objectName(false));
        ArrayNode list = whole.putArray("choices");
        for (int choice = 0; choice < choices.size(); choice++) {
            Collected collected = choices.get(choice);
            Delta all = new Delta(collected.text.toString(), collected.tokens);
            list.add(format.whole(choice, promptTokens.of(choice), all, collected.finish));
        }
        format.putFurther(whole, promptTokens.of(0));
        whole.set("usage", usage.toJson());
        exchange.json(200, whole);
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }
}
