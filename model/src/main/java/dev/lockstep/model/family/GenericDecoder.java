package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.ColumnParallelLinear;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import dev.lockstep.model.layer.FeedForwardParts;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.RowParallelLinear;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// An architecture nobody knows whose checkpoint describes a plain decoder: pre-norm RMSNorm,
/// rotary positions, gated feed-forward; biases and head norms where there are tensors for them,
/// merged or not. Runs only where every tensor and every key of the configuration is accounted for.
public final class GenericDecoder implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of();
    }

    /// Why a checkpoint cannot be taken for a plain decoder; empty when it can.
    public Optional<String> obstacle(Checkpoint checkpoint) {
        List<String> keys = checkpoint.unexplainedKeys();
        return keys.isEmpty()
                ? new PlainTensors(checkpoint).obstacle()
                : Optional.of("nothing is known of " + String.join(", ", keys));
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        FeedForwardParts feedForward = parts.feedForward();
        ModelConfig config = weights.config();
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < config.layerCount(); i++) {
            String layer = "model.layers." + i;
            String self = layer + ".self_attn";
            RowParallelLinear output = attention.output(self + ".o_proj");
            RowParallelLinear down = feedForward.down(layer + ".mlp.down_proj");
            Optional<QueryKeyNorm> norm =
                    weights.has(self + ".q_norm.weight")
                            ? Optional.of(attention.headNorm(self, 0))
                            : Optional.empty();
            layers.add(
                    new DecoderLayer(
                            parts.rmsNorm(layer + ".input_layernorm"),
                            attention.rotary(
                                    i,
                                    qkv(weights, attention, self),
                                    norm,
                                    output,
                                    ResidualBranch.plain(output)),
                            parts.rmsNorm(layer + ".post_attention_layernorm"),
                            feedForward.gated(
                                    gateUp(weights, feedForward, layer + ".mlp"),
                                    down,
                                    ResidualBranch.plain(down))));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens"),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }

    private static ColumnParallelLinear qkv(
            Weights weights, AttentionParts attention, String self) {
        String merged = self + ".qkv_proj";
        return weights.has(merged + ".weight") ? attention.mergedQkv(merged) : attention.qkv(self);
    }

    private static ColumnParallelLinear gateUp(
            Weights weights, FeedForwardParts feedForward, String mlp) {
        String merged = mlp + ".gate_up_proj";
        return weights.has(merged + ".weight")
                ? feedForward.mergedGateUp(merged)
                : feedForward.gateUp(mlp);
    }
}
