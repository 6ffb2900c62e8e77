package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import dev.lockstep.model.layer.FeedForwardParts;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.RowParallelLinear;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// OLMo 2 (OLMo et al. 2025): Llama's plan with norms behind attention and feed-forward instead of
/// before them, and norms over all of q and all of k.
public final class Olmo2 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Olmo2ForCausalLM", "olmo2");
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        FeedForwardParts feedForward = parts.feedForward();
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "model.layers." + i;
            RowParallelLinear output = attention.output(layer + ".self_attn.o_proj");
            RowParallelLinear down = feedForward.down(layer + ".mlp.down_proj");
            layers.add(
                    new DecoderLayer(
                            parts.noNorm(),
                            attention.rotary(
                                    i,
                                    attention.qkv(layer + ".self_attn"),
                                    Optional.of(attention.vectorNorm(layer + ".self_attn")),
                                    output,
                                    ResidualBranch.plain(output)
                                            .with(
                                                    parts.rmsNorm(
                                                            layer + ".post_attention_layernorm"))),
                            parts.noNorm(),
                            feedForward.gated(
                                    feedForward.gateUp(layer + ".mlp"),
                                    down,
                                    ResidualBranch.plain(down)
                                            .with(
                                                    parts.rmsNorm(
                                                            layer
                                                                    + ".post_feedforward_layernorm")))));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens"),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }
}
