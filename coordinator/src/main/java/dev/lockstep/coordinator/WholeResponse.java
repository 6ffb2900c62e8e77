// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.ArrayList;
import java.util.List;

/// A response as one JSON object, sent when all choices have ended.
final class WholeResponse implements ResponseSink {
    private final HttpExchange exchange;
    private final PreparedRequest request;
    private final ResponseFormat format;
    private final BestOf bestOf;
    private final PromptLogprobs promptLogprobs;
    private final List<Collected> choices = new ArrayList<>();

    /// The collected parts and tokens of one choice.
    private static final class Collected {
        final List<AnswerEvent> events = new ArrayList<>();
        final List<Delta.Shown> tokens = new ArrayList<>();
        Finish finish = Finish.length();

        double meanLogprob() {
            return tokens.stream().mapToDouble(each -> each.token().logprob()).average().orElse(0);
        }
    }

    WholeResponse(HttpExchange exchange, PreparedRequest request, ResponseFormat format) {
        this(
                exchange,
                request,
                format,
                new BestOf(request.choicesPerPrompt(), request.choicesPerPrompt()));
    }

    /// @param bestOf which choices are part of the response
    WholeResponse(
            HttpExchange exchange, PreparedRequest request, ResponseFormat format, BestOf bestOf) {
        this.bestOf = bestOf;
        this.exchange = exchange;
        this.request = request;
        this.format = format;
        this.promptLogprobs = new PromptLogprobs(request);
        for (int choice = 0; choice < request.choices(); choice++) {
            choices.add(new Collected());
        }
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {
        promptLogprobs.add(choice, outputs);
    }

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        Collected collected = choices.get(choice);
        collected.events.addAll(delta.events());
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
        for (int prompt = 0; prompt < request.prompts().size(); prompt++) {
            for (int choice : bestOf.of(prompt, each -> choices.get(each).meanLogprob())) {
                Collected collected = choices.get(choice);
                var all = new Delta(collected.events, collected.tokens, 0);
                list.add(
                        format.whole(choice, promptLogprobs.of(choice), all, collected.finish)
                                .put("index", list.size()));
            }
        }
        format.putTopLevelFields(whole, promptLogprobs.of(0));
        whole.set("usage", usage.toJson());
        exchange.json(200, whole);
    }

    @Override
    public void failed(ApiError error) {
        exchange.fail(error);
    }
}
