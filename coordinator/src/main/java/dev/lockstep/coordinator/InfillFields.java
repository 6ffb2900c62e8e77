// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;

/// Reads a body of llama.cpp's `/infill` as the body of the completion that means the same.
final class InfillFields {
    private static final String PREFIX = "input_prefix";
    private static final String SUFFIX = "input_suffix";
    private static final String PREDICT = "n_predict";

    /// Fields that a completion does not get as they are. Editors send the last three as hints;
    /// what they would change is at most which of several good texts comes.
    private static final Set<String> OWN =
            Set.of(
                    PREFIX,
                    SUFFIX,
                    PREDICT,
                    "prompt",
                    "suffix",
                    "max_tokens",
                    "stream",
                    "stream_options",
                    "n",
                    "echo",
                    "best_of",
                    "repeat_penalty",
                    "return_tokens",
                    "response_fields",
                    "samplers",
                    "n_indent",
                    "t_max_predict_ms");

    private InfillFields() {}

    static ChatBody read(Fields fields, ServedModel model) {
        var body = new ChatBody(fields);
        ObjectNode node = body.node();
        node.remove("messages");
        for (Map.Entry<String, JsonNode> field : fields.entries()) {
            if (!OWN.contains(field.getKey())) {
                node.set(field.getKey(), field.getValue());
            }
        }
        if (!fields.has("model")) {
            node.put("model", model.name());
        }
        String before = fields.requireText(PREFIX) + fields.text("prompt").orElse("");
        body.renamed(PREFIX, "prompt").put("prompt", before);
        body.renamed(SUFFIX, "suffix").put("suffix", fields.requireText(SUFFIX));
        OptionalInt predict = fields.integer(PREDICT, -1, Integer.MAX_VALUE);
        // A prompt without output is computed so that the next one finds it in the cache.
        body.renamed(PREDICT, "max_tokens")
                .put(
                        "max_tokens",
                        isOpen(predict) ? Integer.MAX_VALUE : Math.max(1, predict.getAsInt()));
        body.copy(fields, "repeat_penalty", "repetition_penalty");
        return body;
    }

    private static boolean isOpen(OptionalInt predict) {
        return predict.isEmpty() || predict.getAsInt() < 0;
    }

    /// Returns whether no text is wanted, only the cache.
    static boolean onlyCaches(Fields fields) {
        return fields.integer(PREDICT, -1, Integer.MAX_VALUE).orElse(-1) == 0;
    }
}
