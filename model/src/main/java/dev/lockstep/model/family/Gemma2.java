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

/// Gemma 2 (Gemma Team 2024): embedding times the root of the width, norms before and behind both
/// parts of a layer whose factor is 1 + w, GELU, soft caps on scores and logits, every second layer
/// with a window.
public final class Gemma2 implements ModelFamily {
    private static final String GGUF = "gemma2";

    @Override
    public Set<String> architectures() {
        return Set.of("Gemma2ForCausalLM", GGUF);
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
                                    Optional.empty(),
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
