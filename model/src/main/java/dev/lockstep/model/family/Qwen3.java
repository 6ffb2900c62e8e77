package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.RowParallelLinear;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Qwen3 (Yang et al. 2025): Llama's plan with every head of q and k normed before it is turned,
/// and a head size that need not divide the width.
public final class Qwen3 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Qwen3ForCausalLM", "qwen3");
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "model.layers." + i;
            RowParallelLinear output = attention.output(layer + ".self_attn.o_proj");
            layers.add(
                    new DecoderLayer(
                            parts.rmsNorm(layer + ".input_layernorm"),
                            attention.rotary(
                                    i,
                                    attention.qkv(layer + ".self_attn"),
                                    Optional.of(attention.headNorm(layer + ".self_attn", 0)),
                                    output,
                                    ResidualBranch.plain(output)),
                            parts.rmsNorm(layer + ".post_attention_layernorm"),
                            parts.feedForward().gated(layer + ".mlp")));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens"),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }
}
