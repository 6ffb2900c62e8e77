// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// The keys of `config.json` that may change a decoder's arithmetic and that are not read for a
/// plain decoder.
///
/// A value that is null, false, empty or a text is assumed to change nothing, as are the keys of
/// training.
final class ConfigKeys {
    private static final Set<String> PLAIN =
            Set.of(
                    "architectures",
                    "attention_bias",
                    "bos_token_id",
                    "eos_token_id",
                    "head_dim",
                    "hidden_size",
                    "initializer_range",
                    "intermediate_size",
                    "layer_types",
                    "max_position_embeddings",
                    "max_window_layers",
                    "mlp_bias",
                    "num_attention_heads",
                    "num_hidden_layers",
                    "num_key_value_heads",
                    "original_max_position_embeddings",
                    "pad_token_id",
                    "partial_rotary_factor",
                    "pretraining_tp",
                    "rms_norm_eps",
                    "rope_parameters",
                    "rope_scaling",
                    "rope_theta",
                    "sliding_window",
                    "sliding_window_pattern",
                    "tie_word_embeddings",
                    "unk_token_id",
                    "use_cache",
                    "use_sliding_window",
                    "vocab_size");

    private ConfigKeys() {}

    static List<String> unexplained(JsonObject config) {
        List<String> keys = new ArrayList<>();
        if (!config.has("rms_norm_eps")) {
            keys.add("its norm (no rms_norm_eps)");
        }
        if (!config.has("hidden_act")) {
            keys.add("its activation (no hidden_act)");
        }
        if (!config.has("rope_theta") && !config.has("rope_parameters")) {
            keys.add("its positions (no rope_theta)");
        }
        // Without these keys an architecture may have a rule of its own.
        if (config.has("sliding_window")
                && !config.has("layer_types")
                && !config.has("use_sliding_window")
                && !config.has("sliding_window_pattern")) {
            keys.add("the layers of its sliding_window (no layer_types)");
        }
        for (Map.Entry<String, JsonNode> entry : config.entries()) {
            String key = entry.getKey();
            if (!PLAIN.contains(key) && !key.endsWith("dropout") && matters(entry.getValue())) {
                keys.add(key);
            }
        }
        return keys;
    }

    /// Returns whether a value may change what is computed: texts, nulls and false do not.
    static boolean matters(JsonNode value) {
        return value.isNumber()
                || (value.isBoolean() && value.booleanValue())
                || (value.isContainerNode() && !value.isEmpty());
    }
}
