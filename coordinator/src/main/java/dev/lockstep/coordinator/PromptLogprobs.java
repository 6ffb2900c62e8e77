package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import java.util.List;

/// The field `prompt_logprobs` of an answer: an entry for each prompt token, null for the first,
/// which nothing stands before; each maps token ids, as text, to what is known of them at its
/// place.
final class PromptLogprobs {
    private PromptLogprobs() {}

    static void put(ObjectNode node, ServedModel model, List<GeneratedToken> tokens) {
        ArrayNode entries = node.putArray("prompt_logprobs").addNull();
        for (GeneratedToken token : tokens) {
            ObjectNode entry = entries.addObject();
            put(entry, model, token.id(), token.logprob());
            int rank = 1;
            for (GeneratedToken.Likely likely : token.top()) {
                put(entry, model, likely.id(), likely.logprob()).put("rank", rank++);
            }
        }
    }

    private static ObjectNode put(ObjectNode entry, ServedModel model, int id, float logprob) {
        return entry.putObject(Integer.toString(id))
                .put("logprob", logprob)
                .put("decoded_token", model.tokenText(id));
    }
}
