// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import java.util.List;

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
        int[] places = EchoOffsets.of(model, echo);
        for (int i = 0; i < echo.ids().length; i++) {
            int id = echo.ids()[i];
            offsets.add(places[i]);
            tokens.add(model.tokenText(id));
            if (i == 0) {
                values.addNull();
                tops.addNull();
            } else if (i <= scored.size()) {
                add(scored.get(i - 1), top);
            }
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
        ObjectNode top = tops.addObject();
        String own = model.tokenText(token.id());
        token.top().stream()
                .limit(max)
                .forEach(
                        each -> {
                            // Two ids may have the same text; the sampled token is named by it.
                            String text = model.tokenText(each.id());
                            boolean taken =
                                    each.id() != token.id() && (text.equals(own) || top.has(text));
                            top.put(taken ? ServedModel.unnamed(each.id()) : text, each.logprob());
                        });
        top.put(own, token.logprob());
    }
}
