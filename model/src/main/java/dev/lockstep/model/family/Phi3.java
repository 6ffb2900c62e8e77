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
import java.util.Set;

/// Phi-3 (Abdin et al. 2024): Llama's plan with q, k and v in one matrix, gate and up in another,
/// and LongRoPE in the models of long context.
public final class Phi3 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Phi3ForCausalLM", "phi3");
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        FeedForwardParts feedForward = parts.feedForward();
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "model.layers." + i;
            RowParallelLinear down = feedForward.down(layer + ".mlp.down_proj");
            layers.add(
                    new DecoderLayer(
                            parts.rmsNorm(layer + ".input_layernorm"),
                            attention.rotary(
                                    i,
                                    attention.mergedQkv(layer + ".self_attn.qkv_proj"),
                                    attention.output(layer + ".self_attn.o_proj")),
                            parts.rmsNorm(layer + ".post_attention_layernorm"),
                            feedForward.gated(
                                    feedForward.mergedGateUp(layer + ".mlp.gate_up_proj"),
                                    down,
                                    ResidualBranch.plain(down))));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens"),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }
}
