// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.ModelConfig;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Checks whether a checkpoint's tensors are exactly those of a plain decoder.
final class PlainTensors {
    private final Checkpoint checkpoint;
    private final Set<String> unexplained;
    private Optional<String> missing = Optional.empty();

    PlainTensors(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
        this.unexplained = new HashSet<>(checkpoint.tensorNames());
    }

    /// Returns the first reason why the checkpoint is not a plain decoder; empty if it is one.
    Optional<String> obstacle() {
        ModelConfig config = checkpoint.config();
        require("model.embed_tokens.weight", "model.norm.weight");
        if (!config.tiedEmbeddings()) {
            require("lm_head.weight");
        }
        unexplained.remove("lm_head.weight");
        for (int i = 0; i < config.layerCount(); i++) {
            layer("model.layers." + i, config.attention().headDim());
        }
        unexplained.removeIf(name -> name.endsWith(".rotary_emb.inv_freq"));
        return missing.map(name -> "tensor %s is missing".formatted(name))
                .or(
                        () ->
                                unexplained.stream()
                                        .sorted()
                                        .findFirst()
                                        .map("nothing is known of tensor %s"::formatted));
    }

    private void layer(String layer, int headSize) {
        require(layer + ".input_layernorm.weight", layer + ".post_attention_layernorm.weight");
        String self = layer + ".self_attn";
        linear(self + ".o_proj");
        if (checkpoint.has(self + ".qkv_proj.weight")) {
            linear(self + ".qkv_proj");
        } else {
            List.of("q", "k", "v").forEach(each -> linear("%s.%s_proj".formatted(self, each)));
        }
        if (hasSize(self + ".q_norm.weight", headSize)) {
            require(self + ".q_norm.weight", self + ".k_norm.weight");
        }
        String mlp = layer + ".mlp";
        linear(mlp + ".down_proj");
        if (checkpoint.has(mlp + ".gate_up_proj.weight")) {
            linear(mlp + ".gate_up_proj");
        } else {
            linear(mlp + ".gate_proj");
            linear(mlp + ".up_proj");
        }
    }

    private boolean hasSize(String vector, int size) {
        return checkpoint
                .tensorInfo(vector)
                .map(info -> info.shape().equals(List.of((long) size)))
                .orElse(false);
    }

    private void linear(String name) {
        require(name + ".weight");
        unexplained.remove(name + ".bias");
    }

    private void require(String... names) {
        for (String name : names) {
            if (!checkpoint.has(name) && missing.isEmpty()) {
                missing = Optional.of(name);
            }
            unexplained.remove(name);
        }
    }
}
