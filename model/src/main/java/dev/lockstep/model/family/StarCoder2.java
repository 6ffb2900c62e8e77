package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// StarCoder2 (Lozhkov et al. 2024): rotary positions and grouped-query attention with layer norms,
/// biases everywhere, two matrices in the feed-forward and GELU between them.
public final class StarCoder2 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Starcoder2ForCausalLM", "starcoder2");
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
                            parts.layerNorm(layer + ".input_layernorm"),
                            attention.rotary(
                                    i,
                                    attention.qkv(layer + ".self_attn"),
                                    attention.output(layer + ".self_attn.o_proj")),
                            parts.layerNorm(layer + ".post_attention_layernorm"),
                            parts.feedForward().plain(layer + ".mlp.c_fc", layer + ".mlp.c_proj")));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens"),
                layers,
                parts.layerNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }
}
