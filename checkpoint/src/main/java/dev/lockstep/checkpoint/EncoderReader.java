// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// A reader of [EncoderConfig] in `config.json`.
record EncoderReader(JsonObject config) {

    /// The key by which Gemma 3 attends in both directions.
    static final String BIDIRECTIONAL = "use_bidirectional_attention";

    private static final String POSITION_TYPE = "position_embedding_type";

    Optional<EncoderConfig> encoder() {
        return switch (modelType()) {
            case "bert" -> Optional.of(new EncoderConfig(learned(), 0));
            case "roberta", "xlm-roberta" ->
                    Optional.of(
                            new EncoderConfig(
                                    learned(), config.integer("pad_token_id").orElse(1) + 1));
            case "nomic_bert" -> {
                requireKnownNomic();
                yield Optional.of(new EncoderConfig(tokenTypes(), 0));
            }
            case "new", "gte" -> {
                requireKnownGte();
                yield Optional.of(
                        new EncoderConfig(config.integer("type_vocab_size").orElse(1), 0));
            }
            case "distilbert", "eurobert", "modernbert" -> Optional.of(new EncoderConfig(0, 0));
            case "gemma3_text" ->
                    isBidirectionalGemma()
                            ? Optional.of(new EncoderConfig(0, 0))
                            : Optional.empty();
            default -> Optional.empty();
        };
    }

    /// Generation by the class with a head stays causal, or is refused.
    private boolean isBidirectionalGemma() {
        return config.flag(BIDIRECTIONAL).orElse(false)
                && config.texts("architectures").contains("Gemma3TextModel");
    }

    /// Returns the key of the window, both sides together.
    String windowKey() {
        return modelType().equals("modernbert") ? "local_attention" : "sliding_window";
    }

    /// Returns the types of the layers of a ModernBERT that does not list them; empty for others.
    List<String> layerTypes(int layers) {
        if (!modelType().equals("modernbert") || config.has("layer_types")) {
            return List.of();
        }
        int period = config.integer("global_attn_every_n_layers").orElse(3);
        if (period < 1) {
            throw config.wrong("global_attn_every_n_layers", period, "a positive number");
        }
        return IntStream.range(0, layers)
                .mapToObj(i -> i % period == 0 ? "full_attention" : "sliding_attention")
                .toList();
    }

    /// Returns the token types of a model with learned positions.
    private int learned() {
        config.requireFalse("is_decoder");
        String positions = config.text(POSITION_TYPE).orElse("absolute");
        if (!positions.equals("absolute")) {
            throw config.wrong(POSITION_TYPE, positions, "absolute");
        }
        return tokenTypes();
    }

    /// Refuses what the code that is published with nomic-bert may do beside it.
    private void requireKnownNomic() {
        for (String key :
                List.of(
                        "causal",
                        "parallel_block",
                        "prenorm",
                        "rotary_emb_interleaved",
                        "use_rms_norm")) {
            config.requireFalse(key);
        }
        for (String key : List.of("rotary_emb_scale_base", "rotary_scaling_factor")) {
            if (config.has(key)) {
                throw config.wrong(key, config.requireNumber(key), "null");
            }
        }
        double rotated = config.number("rotary_emb_fraction").orElse(1);
        if (rotated != 1) {
            throw config.wrong("rotary_emb_fraction", rotated, "1");
        }
        int experts = config.integer("num_experts").orElse(0);
        if (experts > 0) {
            throw config.wrong("num_experts", experts, "0: its mixtures are not known");
        }
    }

    /// Refuses what the code that is published with gte models may do beside rope and LayerNorm.
    private void requireKnownGte() {
        config.requireFalse("logn_attention_scale");
        for (Map.Entry<String, String> each :
                Map.of(POSITION_TYPE, "rope", "layer_norm_type", "layer_norm").entrySet()) {
            String given = config.text(each.getKey()).orElse(each.getValue());
            if (!given.equals(each.getValue())) {
                throw config.wrong(each.getKey(), given, each.getValue());
            }
        }
    }

    /// Whether a model type is one of the gte models with code of their own.
    static boolean isGte(JsonObject config) {
        return config.text("model_type").orElse("").matches("new|gte");
    }

    private int tokenTypes() {
        return config.integer("type_vocab_size").orElse(2);
    }

    private String modelType() {
        return config.text("model_type").orElse("");
    }
}
