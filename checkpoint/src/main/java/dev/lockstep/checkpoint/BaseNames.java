// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The names of tensors in a folder that was saved from a base model, the part without the output
/// head: the prefix that the whole model puts before them is missing.
final class BaseNames {
    private static final String HEAD = "lm_head.";

    /// A prefix with the name that shows whether it is there.
    private record Prefix(String text, String embedding) {}

    private static final List<Prefix> PREFIXES =
            List.of(
                    new Prefix("model.", "embed_tokens.weight"),
                    new Prefix("transformer.", "wte.weight"));

    private BaseNames() {}

    /// Returns the tensors with the names of the whole model.
    static Map<String, StoredTensor> complete(Map<String, StoredTensor> tensors) {
        for (Prefix prefix : PREFIXES) {
            if (tensors.containsKey(prefix.embedding())
                    && !tensors.containsKey(prefix.text() + prefix.embedding())) {
                Map<String, StoredTensor> named = new LinkedHashMap<>();
                tensors.forEach(
                        (name, tensor) ->
                                named.put(
                                        name.startsWith(HEAD) ? name : prefix.text() + name,
                                        tensor));
                return named;
            }
        }
        return tensors;
    }
}
