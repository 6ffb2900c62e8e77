package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.AttentionParts;
import dev.lockstep.model.layer.DecoderLayer;
import dev.lockstep.model.layer.DecoderParts;
import dev.lockstep.model.layer.FeedForwardParts;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.RmsNorm;
import dev.lockstep.model.layer.RowParallelLinear;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Gemma 3 (Gemma Team 2025), text only: Gemma 2's plan with normed heads of q and k instead of
/// soft caps, five layers with a window to one without, and a rope of its own for each kind.
public final class Gemma3 implements ModelFamily {
    private static final String GGUF = "gemma3";

    @Override
    public Set<String> architectures() {
        return Set.of("Gemma3ForCausalLM", GGUF);
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        FeedForwardParts feedForward = parts.feedForward();
        // GGUF files hold the sum already.
        float added = weights.config().architecture().equals(GGUF) ? 0 : 1;
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "model.layers." + i;
            RowParallelLinear output = attention.output(layer + ".self_attn.o_proj");
            RowParallelLinear down = feedForward.down(layer + ".mlp.down_proj");
            RmsNorm behindAttention = parts.rmsNorm(layer + ".post_attention_layernorm", added);
            RmsNorm behindFeedForward = parts.rmsNorm(layer + ".post_feedforward_layernorm", added);
            layers.add(
                    new DecoderLayer(
                            parts.rmsNorm(layer + ".input_layernorm", added),
                            attention.rotary(
                                    i,
                                    attention.qkv(layer + ".self_attn"),
                                    Optional.of(attention.headNorm(layer + ".self_attn", added)),
                                    output,
                                    ResidualBranch.plain(output).with(behindAttention)),
                            parts.rmsNorm(layer + ".pre_feedforward_layernorm", added),
                            feedForward.gated(
                                    feedForward.gateUp(layer + ".mlp"),
                                    down,
                                    ResidualBranch.plain(down).with(behindFeedForward))));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens", Math.sqrt(weights.config().hiddenSize())),
                layers,
                parts.rmsNorm("model.norm", added),
                parts.head("model.embed_tokens"));
    }
}
