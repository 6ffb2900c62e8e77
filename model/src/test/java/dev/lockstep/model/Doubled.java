package dev.lockstep.model;

import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// A user's family, registered in `META-INF/services`: Llama with its embedding doubled. It also
/// answers to a name of ours.
public final class Doubled implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("DoubledForCausalLM", "mistral");
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "model.layers." + i;
            layers.add(
                    new DecoderLayer(
                            parts.rmsNorm(layer + ".input_layernorm"),
                            parts.attention()
                                    .rotary(
                                            i,
                                            parts.attention().qkv(layer + ".self_attn"),
                                            parts.attention().output(layer + ".self_attn.o_proj")),
                            parts.rmsNorm(layer + ".post_attention_layernorm"),
                            parts.feedForward().gated(layer + ".mlp")));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens", 2),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }
}
