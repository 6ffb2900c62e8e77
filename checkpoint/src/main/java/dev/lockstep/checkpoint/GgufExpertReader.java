// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A reader of [ExpertConfig] in GGUF metadata. What no key states is a rule of the architecture in
/// llama.cpp; the tensors show which layers have experts, and the size of shared ones.
///
/// @param tensors by their Hugging Face names
record GgufExpertReader(ArchitectureKeys keys, Map<String, StoredTensor> tensors) {

    Optional<ExpertConfig> experts(int layers) {
        int count = keys.size("expert_count").orElse(0);
        if (count == 0) {
            return Optional.empty();
        }
        ExpertConfig.Score score = score();
        double scale = keys.number("expert_weights_scale", 1);
        return Optional.of(
                new ExpertConfig(
                        count,
                        keys.requireSize("expert_used_count", count),
                        renormalized(score),
                        score,
                        groups(score),
                        scale == 0 ? 1 : scale,
                        sharedSize(layers),
                        0,
                        dense(layers)));
    }

    /// Files of DeepSeek that do not name the function have a correction if it is the sigmoid.
    private ExpertConfig.Score score() {
        ExpertConfig.Score usual =
                switch (keys.architecture()) {
                    case "dots1", "glm4moe", "lfm2moe", "minimax-m2" -> ExpertConfig.Score.SIGMOID;
                    case "deepseek2" ->
                            stores("exp_probs_b.bias")
                                    ? ExpertConfig.Score.SIGMOID
                                    : ExpertConfig.Score.SOFTMAX;
                    default -> ExpertConfig.Score.SOFTMAX;
                };
        int expected = usual == ExpertConfig.Score.SOFTMAX ? 1 : 2;
        int named = keys.size("expert_gating_func").filter(each -> each != 0).orElse(expected);
        if (named != expected) {
            throw keys.wrong("expert_gating_func", named, expected + " in this architecture");
        }
        return usual;
    }

    private boolean renormalized(ExpertConfig.Score score) {
        boolean stated = keys.flag("expert_weights_norm", false);
        return switch (keys.architecture()) {
            case "dots1", "glm4moe", "olmoe", "qwen2moe" -> stated;
            case "deepseek2" -> {
                if (stated && score == ExpertConfig.Score.SOFTMAX) {
                    throw keys.wrong("expert_weights_norm", true, "false beside a softmax");
                }
                yield stated;
            }
            default -> true;
        };
    }

    private ExpertGroups groups(ExpertConfig.Score score) {
        int count = keys.size("expert_group_count").orElse(1);
        if (count <= 1) {
            return ExpertGroups.one();
        }
        return new ExpertGroups(
                count,
                keys.requireSize("expert_group_used_count", count),
                score == ExpertConfig.Score.SOFTMAX
                        ? ExpertGroups.Rank.BEST
                        : ExpertGroups.Rank.BEST_TWO);
    }

    /// Returns the size of what every token uses: in Gemma 4 the feed-forward beside the experts.
    private int sharedSize(int layers) {
        if (keys.architecture().equals("gemma4")) {
            return new GgufGemmaReader(keys, tensors).feedForwards(layers).getFirst();
        }
        return tensors.values().stream()
                .filter(each -> each.storedName().endsWith(".ffn_up_shexp.weight"))
                .findFirst()
                .map(each -> Math.toIntExact(each.shape().getFirst()))
                .orElse(0);
    }

    private DenseLayers dense(int layers) {
        Set<Integer> dense = new HashSet<>();
        Set<String> stored = new HashSet<>();
        tensors.values().forEach(each -> stored.add(each.storedName()));
        for (int layer = 0; layer < layers; layer++) {
            if (!stored.contains("blk." + layer + ".ffn_gate_inp.weight")) {
                dense.add(layer);
            }
        }
        return dense.isEmpty()
                ? DenseLayers.none()
                : new DenseLayers(dense, keys.requireSize("feed_forward_length", 1 << 24));
    }

    private boolean stores(String ending) {
        return tensors.values().stream().anyMatch(each -> each.storedName().endsWith("." + ending));
    }
}
