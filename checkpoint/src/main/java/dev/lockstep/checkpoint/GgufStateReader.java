// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A reader of [StateConfig] in GGUF metadata, and of the layers that keep a state.
///
/// @param tensors by their Hugging Face names
record GgufStateReader(ArchitectureKeys keys, Map<String, StoredTensor> tensors) {

    /// Returns the state of the layers that have one; empty for models of attention alone.
    Optional<StateConfig> state(int hidden) {
        return switch (keys.architecture()) {
            case "falcon-h1", "granitehybrid" -> Optional.of(mamba2());
            case "lfm2", "lfm2moe" ->
                    Optional.of(
                            new StateConfig.ShortConvolution(
                                    hidden, keys.requireSize("shortconv.l_cache", 8)));
            case "qwen3next", "qwen35", "qwen35moe" -> Optional.of(gatedDelta());
            default -> Optional.empty();
        };
    }

    /// Conversions of Qwen3.5 order value heads so that they read the key heads in turn.
    private StateConfig gatedDelta() {
        int valueHeads = keys.requireSize("ssm.time_step_rank", 1 << 16);
        return new StateConfig.GatedDelta(
                keys.requireSize("ssm.group_count", 1 << 16),
                valueHeads,
                keys.requireSize("ssm.state_size", 1 << 12),
                headSize(valueHeads),
                keys.requireSize("ssm.conv_kernel", 8),
                !keys.architecture().equals("qwen3next"));
    }

    /// Conversions of Falcon-H1 multiply its factors into the weights.
    private StateConfig mamba2() {
        int heads = keys.requireSize("ssm.time_step_rank", 1 << 16);
        boolean parallel = keys.architecture().equals("falcon-h1");
        return new StateConfig.Mamba2(
                heads,
                headSize(heads),
                keys.requireSize("ssm.group_count", heads),
                keys.requireSize("ssm.state_size", 1 << 12),
                keys.requireSize("ssm.conv_kernel", 8),
                0,
                Double.POSITIVE_INFINITY,
                keys.flag("rope.scaling.finetuned", true),
                tensors.keySet().stream().anyMatch(each -> each.endsWith(".mamba.norm.weight")),
                parallel ? Optional.of(ParallelFactors.ones()) : Optional.empty());
    }

    private int headSize(int heads) {
        int inner = keys.requireSize("ssm.inner_size", 1 << 24);
        if (inner % heads != 0) {
            throw keys.wrong("ssm.inner_size", inner, "a multiple of the " + heads + " heads");
        }
        return inner / heads;
    }

    /// Returns the layers that keep a state in place of keys and values.
    Set<Integer> layers(int layers) {
        return switch (keys.architecture()) {
            case "granitehybrid", "lfm2", "lfm2moe" -> withoutKvHeads(layers);
            case "qwen3next", "qwen35", "qwen35moe" -> recurrent(layers);
            default -> Set.of();
        };
    }

    private Set<Integer> withoutKvHeads(int layers) {
        String name = "attention.head_count_kv";
        int[] heads =
                keys.metadata()
                        .integers(keys.key(name))
                        .filter(each -> each.length == layers)
                        .orElseThrow(
                                () ->
                                        keys.wrong(
                                                name,
                                                keys.metadata().count(keys.key(name)) + " entries",
                                                layers + ", one per layer"));
        Set<Integer> none = new HashSet<>();
        for (int layer = 0; layer < layers; layer++) {
            if (heads[layer] == 0) {
                none.add(layer);
            }
        }
        return none;
    }

    private Set<Integer> recurrent(int layers) {
        String name = "attention.recurrent_layers";
        int interval = keys.size("full_attention_interval").orElse(4);
        if (interval < 1) {
            throw keys.wrong("full_attention_interval", interval, "a positive number");
        }
        int[] flags = keys.metadata().integers(keys.key(name)).orElse(new int[0]);
        if (flags.length > 0 && flags.length < layers) {
            throw keys.wrong(name, flags.length + " entries", layers + ", one per layer");
        }
        Set<Integer> recurrent = new HashSet<>();
        for (int layer = 0; layer < layers; layer++) {
            if (flags.length == 0 ? (layer + 1) % interval != 0 : flags[layer] != 0) {
                recurrent.add(layer);
            }
        }
        return recurrent;
    }
}
