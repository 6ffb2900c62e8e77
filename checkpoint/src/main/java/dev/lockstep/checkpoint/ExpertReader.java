// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// A reader of [ExpertConfig] in `config.json`.
record ExpertReader(JsonObject config) {
    /// Families whose router scores every expert alone.
    private static final Set<String> SIGMOID =
            Set.of(
                    "deepseek_v3",
                    "dots1",
                    "exaone_moe",
                    "glm4_moe",
                    "glm4_moe_lite",
                    "glm4v_moe_text",
                    "kimi_k2",
                    "lfm2_moe",
                    "llama4_text",
                    "minimax_m2",
                    "nemotron_h",
                    "solar_open");

    /// Families that always scale the weights of a token's experts.
    private static final Set<String> RENORMALIZED =
            Set.of(
                    "ernie4_5_moe",
                    "gemma4_text",
                    "gpt_oss",
                    "granitemoe",
                    "granitemoehybrid",
                    "granitemoeshared",
                    "hunyuan_v1_moe",
                    "minimax_m2",
                    "mixtral",
                    "qwen3_5_moe_text",
                    "qwen3_vl_moe_text");

    Optional<ExpertConfig> experts() {
        OptionalInt count =
                config.integer(
                        "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts");
        if (count.isEmpty() || count.getAsInt() == 0) {
            return Optional.empty();
        }
        ExpertConfig.Score score = score();
        boolean renormalized =
                RENORMALIZED.contains(modelType()) || config.flag("norm_topk_prob").orElse(false);
        refuseOtherChoices(renormalized);
        refuseOtherClamp();
        if (modelType().equals("ernie4_5_moe")) {
            config.requireFalse("use_bias");
        }
        return Optional.of(
                new ExpertConfig(
                        count.getAsInt(),
                        perToken(),
                        renormalized,
                        score,
                        groups(),
                        config.number("routed_scaling_factor").orElse(1),
                        sharedSize(),
                        NemotronHKeys.isOf(config)
                                ? config.integer("moe_latent_size").orElse(0)
                                : 0,
                        dense()));
    }

    /// Returns the experts that process a token; Hunyuan may give them for each layer.
    private int perToken() {
        if (config.has("num_experts_per_tok") || !config.has("moe_topk")) {
            return config.requireInteger("num_experts_per_tok", "moe_k");
        }
        Set<Integer> counts = Set.copyOf(config.integers("moe_topk"));
        if (counts.size() != 1) {
            throw config.wrong("moe_topk", counts, "the same number for all layers");
        }
        return counts.iterator().next();
    }

    private ExpertConfig.Score score() {
        boolean sigmoid = SIGMOID.contains(modelType());
        String expected = sigmoid ? "sigmoid" : "softmax";
        config.text("scoring_func")
                .filter(named -> !named.equals(expected))
                .ifPresent(
                        named -> {
                            throw config.wrong("scoring_func", named, expected);
                        });
        return sigmoid ? ExpertConfig.Score.SIGMOID : ExpertConfig.Score.SOFTMAX;
    }

    private void refuseOtherChoices(boolean renormalized) {
        if (modelType().equals("deepseek_v2") && renormalized) {
            throw config.wrong("norm_topk_prob", true, "false in this architecture");
        }
        int frequency = config.integer("moe_layer_freq").orElse(1);
        if (frequency != 1) {
            throw config.wrong("moe_layer_freq", frequency, "1");
        }
        double minimum = config.number("moe_norm_min").orElse(1e-12);
        if (minimum > 1e-12) {
            throw config.wrong("moe_norm_min", minimum, "at most 1e-12");
        }
    }

    /// Refuses another clamp than that of the activation.
    private void refuseOtherClamp() {
        for (Map.Entry<String, Double> each :
                Map.of("swiglu_limit", 7.0, "swiglu_alpha", 1.702).entrySet()) {
            double value = config.number(each.getKey()).orElse(each.getValue());
            if (value != each.getValue()) {
                throw config.wrong(each.getKey(), value, each.getValue().toString());
            }
        }
    }

    private ExpertGroups groups() {
        OptionalInt count = config.integer("n_group");
        String method = config.text("topk_method").orElse("");
        if (count.isEmpty() || count.getAsInt() == 1 || method.equals("greedy")) {
            return ExpertGroups.one();
        }
        ExpertGroups.Rank rank =
                modelType().equals("deepseek_v2")
                        ? ExpertGroups.Rank.BEST
                        : ExpertGroups.Rank.BEST_TWO;
        return new ExpertGroups(count.getAsInt(), config.requireInteger("topk_group"), rank);
    }

    private int sharedSize() {
        if (modelType().equals("hunyuan_v1_moe")) {
            return config.requireInteger("intermediate_size");
        }
        OptionalInt size =
                config.integer("shared_expert_intermediate_size", "shared_intermediate_size");
        if (size.isPresent()) {
            return size.getAsInt();
        }
        int count =
                config.integer("n_shared_experts", "moe_num_shared_experts", "num_shared_experts")
                        .orElse(0);
        return count == 0 ? 0 : count * config.requireInteger("moe_intermediate_size");
    }

    private DenseLayers dense() {
        int layers = config.requireInteger("num_hidden_layers");
        IntPredicate sparse = sparseLayers(layers);
        Set<Integer> dense =
                IntStream.range(0, layers)
                        .filter(sparse.negate())
                        .boxed()
                        .collect(Collectors.toSet());
        return dense.isEmpty()
                ? DenseLayers.none()
                : new DenseLayers(dense, config.requireInteger("intermediate_size"));
    }

    private IntPredicate sparseLayers(int layers) {
        int first =
                config.integer("first_k_dense_replace", "moe_layer_start_index", "num_dense_layers")
                        .orElse(0);
        int last = config.integer("moe_layer_end_index").orElse(-1);
        int end = last < 0 ? layers - 1 : last;
        int step = config.integer("decoder_sparse_step", "moe_layer_interval").orElse(1);
        if (step < 1) {
            throw config.wrong("decoder_sparse_step", step, "a positive number");
        }
        List<Integer> without = config.integers("mlp_only_layers");
        List<String> named = config.texts("mlp_layer_types");
        if (named.size() == layers) {
            return layer -> named.get(layer).equals("sparse");
        }
        return layer ->
                layer >= first
                        && layer <= end
                        && (layer + 1) % step == 0
                        && !without.contains(layer);
    }

    private String modelType() {
        return config.text("model_type").orElse("");
    }
}
