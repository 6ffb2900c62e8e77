package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.FloatNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.text.Detokenizer;
import java.util.List;
import java.util.Optional;

/// The object `logprobs` of a choice of `/v1/completions`: four arrays, an entry a token each.
final class TextLogprobs {
    private final ServedModel model;
    private final ArrayNode tokens;
    private final ArrayNode values;
    private final ArrayNode tops;
    private final ArrayNode offsets;
    private int echoed;

    TextLogprobs(ServedModel model, ObjectNode logprobs) {
        this.model = model;
        this.tokens = logprobs.putArray("tokens");
        this.values = logprobs.putArray("token_logprobs");
        this.tops = logprobs.putArray("top_logprobs");
        this.offsets = logprobs.putArray("text_offset");
    }

    /// The prompt, which stands before the text. Nothing stands before its first token, which has
    /// null for numbers.
    ///
    /// @param scored its tokens from the second on
    /// @param top how many likely tokens to name, which may be less than are there
    void echo(Echo echo, List<GeneratedToken> scored, int top) {
        Optional<Detokenizer> text =
                model.tokenizer().map(each -> new Detokenizer(each, false, Detokenizer.Start.TEXT));
        int offset = 0;
        for (int i = 0; i < echo.ids().length; i++) {
            int id = echo.ids()[i];
            offsets.add(Math.min(offset, echo.characters()));
            tokens.add(model.tokenText(id));
            if (i == 0) {
                values.addNull();
                tops.addNull();
            } else if (i <= scored.size()) {
                add(scored.get(i - 1), top);
            }
            String more = model.isText(id) ? text.map(each -> each.push(id)).orElse("") : "";
            offset += more.codePointCount(0, more.length());
        }
        goOnBehind(echo);
    }

    /// What is added stands behind the prompt, which was told of before.
    void goOnBehind(Echo echo) {
        echoed = echo.characters();
    }

    void add(Delta.Shown shown) {
        tokens.add(model.tokenText(shown.token().id()));
        add(shown.token(), Integer.MAX_VALUE);
        offsets.add(echoed + shown.offset());
    }

    private void add(GeneratedToken token, int most) {
        values.add(token.logprob());
        // Two ids may read the same; the likelier one is kept. The chosen one is always there.
        ObjectNode top = tops.addObject();
        token.top().stream()
                .limit(most)
                .forEach(like -> top.putIfAbsent(model.tokenText(like.id()), number(like)));
        top.putIfAbsent(
                model.tokenText(token.id()),
                number(new GeneratedToken.Likely(token.id(), token.logprob())));
    }

    private static FloatNode number(GeneratedToken.Likely likely) {
        return FloatNode.valueOf(likely.logprob());
    }
}
