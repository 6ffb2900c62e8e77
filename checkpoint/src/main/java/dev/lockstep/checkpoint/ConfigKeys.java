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
/// A value that is null, false or empty is assumed to change nothing, as are the keys of training
/// and of the files. A nested object is known as a whole or not at all; [RopeReader] judges the
/// keys of the ropes.
final class ConfigKeys {
    private static final Set<String> PLAIN =
            Set.of(
                    "architectures",
                    "attention_bias",
                    "attention_out_bias",
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
                    "quantization",
                    "quantization_config",
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

    /// Texts that name the model, its files or their types, or that are read.
    private static final Set<String> TEXTS =
            Set.of(
                    "_attn_implementation",
                    "_name_or_path",
                    "attn_implementation",
                    "dtype",
                    "hidden_act",
                    "license",
                    "model_name",
                    "model_type",
                    "name_or_path",
                    "tokenizer_class",
                    "torch_dtype",
                    "transformers_version");

    /// Model types whose defaults describe a plain decoder.
    private static final Set<String> PLAIN_TYPES =
            Set.of("internlm3", "llama", "mistral", "phi3", "qwen2", "qwen3", "seed_oss");

    private ConfigKeys() {}

    /// Returns the keys that are not known, of a configuration with the defaults of its type.
    static List<String> unexplained(JsonObject read) {
        List<String> keys = new ArrayList<>();
        String type = read.text("model_type").orElse("");
        if (ConfigDefaults.areKnown(type) && !PLAIN_TYPES.contains(type)) {
            keys.add("its architecture of the model_type " + type);
        }
        JsonObject config = ConfigDefaults.complete(read);
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
            if (entry.getValue().isTextual() && !TEXTS.contains(key)) {
                keys.add("%s (%s)".formatted(key, entry.getValue().textValue()));
            }
        }
        return keys;
    }

    /// Returns whether a value other than a text may change what is computed: null and false do
    /// not.
    static boolean matters(JsonNode value) {
        return value.isNumber()
                || (value.isBoolean() && value.booleanValue())
                || (value.isContainerNode() && !value.isEmpty());
    }
}
