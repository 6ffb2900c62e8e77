// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.List;

/// The log-probabilities of the prompts of one response, collected as they arrive: for each prompt
/// its tokens from the second on, because nothing precedes the first.
final class PromptLogprobs {
    private final int choicesPerPrompt;
    private final List<List<GeneratedToken>> prompts = new ArrayList<>();

    PromptLogprobs(PreparedRequest request) {
        choicesPerPrompt = request.choicesPerPrompt();
        request.prompts().forEach(_ -> prompts.add(new ArrayList<>()));
    }

    /// Adds outputs that arrived with a choice. Those of a prompt arrive with its first choice,
    /// before the first generated token of any of its choices.
    void add(int choice, PositionOutputs outputs) {
        List<GeneratedToken> tokens = of(choice);
        outputs.getNextTokensList().forEach(token -> tokens.add(GeneratedToken.fromProto(token)));
    }

    /// Returns the tokens of the prompt that a choice continues.
    List<GeneratedToken> of(int choice) {
        return prompts.get(choice / choicesPerPrompt);
    }

    /// Writes the field `prompt_logprobs`: an entry for each prompt token, null for the first; each
    /// maps token ids, as text, to the log-probability and text of the token at that position.
    static void put(ObjectNode node, ServedModel model, List<GeneratedToken> tokens) {
        ArrayNode entries = node.putArray("prompt_logprobs").addNull();
        for (GeneratedToken token : tokens) {
            ObjectNode entry = entries.addObject();
            put(entry, model, token.id(), token.logprob());
            int rank = 1;
            for (GeneratedToken.TokenLogprob each : token.top()) {
                put(entry, model, each.id(), each.logprob()).put("rank", rank++);
            }
        }
    }

    private static ObjectNode put(ObjectNode entry, ServedModel model, int id, float logprob) {
        return entry.putObject(Integer.toString(id))
                .put("logprob", logprob)
                .put("decoded_token", model.tokenText(id));
    }
}
