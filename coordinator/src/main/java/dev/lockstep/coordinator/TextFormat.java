// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.Sampling;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/// Writes the choices of `/v1/completions`.
final class TextFormat implements ResponseFormat {
    private final ServedModel model;
    private final Sampling sampling;
    private final boolean tokenIds;
    private final boolean promptLogprobs;
    private final List<PreparedRequest.Echo> echoes;

    /// @param promptLogprobs whether the field of that name was requested
    TextFormat(PreparedRequest request, boolean tokenIds, boolean promptLogprobs) {
        this.model = request.model();
        this.sampling = request.sampling();
        this.echoes = request.echoes();
        this.tokenIds = tokenIds;
        this.promptLogprobs = promptLogprobs;
    }

    @Override
    public String objectName(boolean chunk) {
        return "text_completion";
    }

    @Override
    public Optional<ObjectNode> opening(int choice, List<GeneratedToken> promptTokens) {
        if (echoes.isEmpty() && !promptLogprobs) {
            return Optional.empty();
        }
        ObjectNode node = start(choice, promptTokens, Delta.EMPTY);
        return Optional.of(node.putNull("finish_reason"));
    }

    @Override
    public boolean showsPrompt() {
        return promptLogprobs || (!echoes.isEmpty() && sampling.logprobs());
    }

    @Override
    public List<ObjectNode> chunks(int choice, Delta delta) {
        ObjectNode node = Json.object().put("index", choice).put("text", delta.text());
        putTokens(node, choice, delta, TextLogprobs::continueAfter);
        return List.of(node.putNull("finish_reason"));
    }

    @Override
    public ObjectNode lastChunk(int choice, Finish finish) {
        ObjectNode node = Json.object().put("index", choice).put("text", "").putNull("logprobs");
        ResponseFormat.putFinish(node, finish);
        return node;
    }

    @Override
    public ObjectNode whole(
            int choice, List<GeneratedToken> promptTokens, Delta all, Finish finish) {
        ObjectNode node = start(choice, promptTokens, all);
        ResponseFormat.putFinish(node, finish);
        return node;
    }

    @Override
    public void putTopLevelFields(ObjectNode response, List<GeneratedToken> promptTokens) {}

    @Override
    public boolean showsTokens() {
        return tokenIds || sampling.logprobs();
    }

    /// Returns a choice from its beginning, with the echoed prompt.
    private ObjectNode start(int choice, List<GeneratedToken> promptTokens, Delta delta) {
        String echo = echoes.isEmpty() ? "" : echoes.get(choice).text();
        ObjectNode node = Json.object().put("index", choice).put("text", echo + delta.text());
        putTokens(
                node,
                choice,
                delta,
                (logprobs, prompt) -> logprobs.echo(prompt, promptTokens, sampling.topLogprobs()));
        if (promptLogprobs) {
            PromptLogprobs.put(node, model, promptTokens);
        }
        return node;
    }

    /// @param echoed adds an echoed prompt before the tokens
    private void putTokens(
            ObjectNode node,
            int choice,
            Delta delta,
            BiConsumer<TextLogprobs, PreparedRequest.Echo> echoed) {
        if (sampling.logprobs()) {
            var logprobs = new TextLogprobs(model, node.putObject("logprobs"));
            if (!echoes.isEmpty()) {
                echoed.accept(logprobs, echoes.get(choice));
            }
            delta.inText().forEach(logprobs::add);
        } else {
            node.putNull("logprobs");
        }
        if (tokenIds) {
            ResponseFormat.putTokenIds(node, delta);
        }
    }
}
