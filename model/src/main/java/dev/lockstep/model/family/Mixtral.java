package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import dev.lockstep.model.layer.ExpertNames;
import dev.lockstep.model.layer.FeedForward;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// Mixtral (Jiang et al. 2024): Mistral's attention, and in each layer eight experts of which a
/// token goes to two.
public final class Mixtral implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("MixtralForCausalLM", "mixtral");
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "model.layers." + i;
            layers.add(
                    new DecoderLayer(
                            parts.rmsNorm(layer + ".input_layernorm"),
                            attention.rotary(
                                    i,
                                    attention.qkv(layer + ".self_attn"),
                                    attention.output(layer + ".self_attn.o_proj")),
                            parts.rmsNorm(layer + ".post_attention_layernorm"),
                            experts(weights, parts, layer)));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens"),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }

    /// GGUF files have all experts of a layer in one tensor, under other names.
    private static FeedForward experts(Weights weights, DecoderParts parts, String layer) {
        String block = layer + ".block_sparse_moe";
        return weights.has(block + ".gate.weight")
                ? parts.feedForward()
                        .experts(
                                block + ".gate",
                                new ExpertNames(block + ".experts", "w1", "w3", "w2"))
                : parts.feedForward()
                        .experts(layer + ".mlp.gate", ExpertNames.of(layer + ".mlp.experts"));
    }
}
