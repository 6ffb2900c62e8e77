// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.FloatNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.text.Detokenizer;
import java.util.List;
import java.util.Optional;

/// The object `logprobs` of a choice of `/v1/completions`: four arrays with an entry per token.
final class TextLogprobs {
    private final ServedModel model;
    private final ArrayNode tokens;
    private final ArrayNode values;
    private final ArrayNode tops;
    private final ArrayNode offsets;
    private int echoedCharacters;

    TextLogprobs(ServedModel model, ObjectNode logprobs) {
        this.model = model;
        this.tokens = logprobs.putArray("tokens");
        this.values = logprobs.putArray("token_logprobs");
        this.tops = logprobs.putArray("top_logprobs");
        this.offsets = logprobs.putArray("text_offset");
    }

    /// Adds the prompt, which precedes the text. Its first token has null for numbers, because no
    /// token precedes it.
    ///
    /// @param scored its tokens from the second on
    /// @param top the number of most likely tokens to write; there may be more in `scored`
    void echo(PreparedRequest.Echo echo, List<GeneratedToken> scored, int top) {
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
        continueAfter(echo);
    }

    /// Lets the following offsets count from the end of the prompt, which was sent before.
    void continueAfter(PreparedRequest.Echo echo) {
        echoedCharacters = echo.characters();
    }

    void add(Delta.Shown shown) {
        tokens.add(model.tokenText(shown.token().id()));
        add(shown.token(), Integer.MAX_VALUE);
        offsets.add(echoedCharacters + shown.offset());
    }

    private void add(GeneratedToken token, int max) {
        values.add(token.logprob());
        // Two ids may have the same text: the more likely one is kept. The sampled token is always
        // included.
        ObjectNode top = tops.addObject();
        token.top().stream()
                .limit(max)
                .forEach(each -> top.putIfAbsent(model.tokenText(each.id()), number(each)));
        top.putIfAbsent(
                model.tokenText(token.id()),
                number(new GeneratedToken.TokenLogprob(token.id(), token.logprob())));
    }

    private static FloatNode number(GeneratedToken.TokenLogprob token) {
        return FloatNode.valueOf(token.logprob());
    }
}
