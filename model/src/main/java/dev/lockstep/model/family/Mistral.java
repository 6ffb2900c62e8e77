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

/// Mistral (Jiang et al. 2023): Llama's plan with a sliding window, which the configuration may
/// leave out.
public final class Mistral implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("MistralForCausalLM", "mistral");
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
                            parts.feedForward().gated(layer + ".mlp")));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens"),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }
}
