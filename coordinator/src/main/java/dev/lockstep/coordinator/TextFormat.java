package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;

/// The choices of `/v1/completions`.
final class TextFormat implements AnswerFormat {
    private final ServedModel model;
    private final Sampling sampling;
    private final boolean tokenIds;
    private final boolean promptLogprobs;
    private final List<Echo> echoes;

    /// @param promptLogprobs whether the field of that name was asked for
    /// @param echoes what stands before the text of each choice; empty without `echo`
    TextFormat(
            ServedModel model,
            Sampling sampling,
            boolean tokenIds,
            boolean promptLogprobs,
            List<Echo> echoes) {
        this.promptLogprobs = promptLogprobs;
        this.model = model;
        this.sampling = sampling;
        this.tokenIds = tokenIds;
        this.echoes = List.copyOf(echoes);
    }

    @Override
    public String objectName(boolean chunk) {
        return "text_completion";
    }

    @Override
    public Optional<ObjectNode> opening(int choice) {
        return echoes.isEmpty()
                ? Optional.empty()
                : Optional.of(chunk(choice, new Delta(echoes.get(choice).text(), List.of())));
    }

    @Override
    public ObjectNode chunk(int choice, Delta delta) {
        ObjectNode node = Json.object().put("index", choice).put("text", delta.text());
        putRest(node, choice, List.of(), delta);
        return node.putNull("finish_reason");
    }

    @Override
    public ObjectNode lastChunk(int choice, Finish finish) {
        ObjectNode node = Json.object().put("index", choice).put("text", "").putNull("logprobs");
        AnswerFormat.putFinish(node, finish);
        return node;
    }

    @Override
    public ObjectNode whole(
            int choice, List<GeneratedToken> promptTokens, Delta all, Finish finish) {
        String echo = echoes.isEmpty() ? "" : echoes.get(choice).text();
        ObjectNode node = Json.object().put("index", choice).put("text", echo + all.text());
        putRest(node, choice, promptTokens, all);
        if (promptLogprobs) {
            PromptLogprobs.put(node, model, promptTokens);
        }
        AnswerFormat.putFinish(node, finish);
        return node;
    }

    @Override
    public void putFurther(ObjectNode whole, List<GeneratedToken> promptTokens) {}

    @Override
    public boolean showsTokens() {
        return tokenIds || sampling.logprobs();
    }

    private void putRest(
            ObjectNode node, int choice, List<GeneratedToken> promptTokens, Delta delta) {
        if (sampling.logprobs()) {
            TextLogprobs logprobs = new TextLogprobs(model, node.putObject("logprobs"));
            if (!echoes.isEmpty()) {
                logprobs.echo(echoes.get(choice), promptTokens, sampling.topLogprobs());
            }
            delta.inText().forEach(logprobs::add);
        } else {
            node.putNull("logprobs");
        }
        if (tokenIds) {
            AnswerFormat.putTokenIds(node, delta);
        }
    }
}
