package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.FloatNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Optional;

/// The choices of `/v1/completions`.
final class TextFormat implements AnswerFormat {
    private final ServedModel model;
    private final Sampling sampling;
    private final boolean tokenIds;
    private final List<String> echoes;

    /// @param echoes what stands before the text of each choice; empty without `echo`
    TextFormat(ServedModel model, Sampling sampling, boolean tokenIds, List<String> echoes) {
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
                : Optional.of(chunk(choice, new Delta(echo(choice), List.of())));
    }

    @Override
    public ObjectNode chunk(int choice, Delta delta) {
        ObjectNode node = Json.object().put("index", choice).put("text", delta.text());
        putRest(node, delta);
        return node.putNull("finish_reason");
    }

    @Override
    public ObjectNode lastChunk(int choice, Finish finish) {
        ObjectNode node = Json.object().put("index", choice).put("text", "").putNull("logprobs");
        AnswerFormat.putFinish(node, finish);
        return node;
    }

    @Override
    public ObjectNode whole(int choice, Delta all, Finish finish) {
        ObjectNode node = Json.object().put("index", choice).put("text", echo(choice) + all.text());
        putRest(node, all);
        AnswerFormat.putFinish(node, finish);
        return node;
    }

    private String echo(int choice) {
        return echoes.isEmpty() ? "" : echoes.get(choice);
    }

    @Override
    public boolean showsTokens() {
        return tokenIds || sampling.logprobs();
    }

    private void putRest(ObjectNode node, Delta delta) {
        if (sampling.logprobs()) {
            putLogprobs(node.putObject("logprobs"), delta);
        } else {
            node.putNull("logprobs");
        }
        if (tokenIds) {
            AnswerFormat.putTokenIds(node, delta);
        }
    }

    private void putLogprobs(ObjectNode logprobs, Delta delta) {
        ArrayNode tokens = logprobs.putArray("tokens");
        ArrayNode values = logprobs.putArray("token_logprobs");
        ArrayNode tops = logprobs.putArray("top_logprobs");
        ArrayNode offsets = logprobs.putArray("text_offset");
        for (Delta.Shown shown : delta.inText()) {
            GeneratedToken token = shown.token();
            tokens.add(model.tokenText(token.id()));
            values.add(token.logprob());
            // Two ids may read the same; the likelier one is kept. The chosen one is always there.
            ObjectNode top = tops.addObject();
            token.top().forEach(like -> top.putIfAbsent(model.tokenText(like.id()), number(like)));
            top.putIfAbsent(
                    model.tokenText(token.id()),
                    number(new GeneratedToken.Likely(token.id(), token.logprob())));
            offsets.add(shown.offset());
        }
    }

    private static FloatNode number(GeneratedToken.Likely likely) {
        return FloatNode.valueOf(likely.logprob());
    }
}
