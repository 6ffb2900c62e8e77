// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// An unknown architecture whose checkpoint describes a plain decoder: Llama, with biases, norms of
/// the heads of q and k, and merged matrices where the checkpoint has tensors for them.
///
/// Runs only if every tensor and every key of the configuration is accounted for.
public final class GenericDecoder implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of();
    }

    /// Returns why a checkpoint is not a plain decoder; empty if it is one.
    public Optional<String> obstacle(Checkpoint checkpoint) {
        List<String> keys = checkpoint.unexplainedKeys();
        return keys.isEmpty()
                ? new PlainTensors(checkpoint).obstacle()
                : Optional.of("nothing is known of " + String.join(", ", keys));
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        attention(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        feedForward(weights, layer + ".mlp")));
    }

    private static SelfAttention attention(Weights weights, int i, String name) {
        String merged = name + ".qkv_proj";
        SelfAttention attention =
                SelfAttention.rotary(
                        weights,
                        i,
                        weights.has(merged + ".weight")
                                ? SelfAttention.mergedQkv(weights, merged)
                                : SelfAttention.qkv(weights, name),
                        SelfAttention.output(weights, name + ".o_proj"));
        return weights.has(name + ".q_norm.weight")
                ? attention.with(QueryKeyNorm.perHead(weights, name, 0))
                : attention;
    }

    private static FeedForward feedForward(Weights weights, String name) {
        String merged = name + ".gate_up_proj";
        return FeedForward.gated(
                weights,
                weights.has(merged + ".weight")
                        ? FeedForward.mergedGateUp(weights, merged)
                        : FeedForward.gateUp(weights, name),
                FeedForward.down(weights, name + ".down_proj"));
    }
}
