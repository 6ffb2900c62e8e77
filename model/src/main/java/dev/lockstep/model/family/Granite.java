package dev.lockstep.model.family;

import dev.lockstep.checkpoint.DecoderDetails;
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

/// Granite (IBM 2024): Llama's plan with factors on the embedding, on what layers add to the
/// residual, on attention's scores and on the logits.
public final class Granite implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GraniteForCausalLM", "granite");
    }

    @Override
    public Model load(Weights weights) {
        DecoderParts parts = new DecoderParts(weights);
        AttentionParts attention = parts.attention();
        FeedForwardParts feedForward = parts.feedForward();
        DecoderDetails details = weights.config().details();
        double residual = details.residualMultiplier();
        List<DecoderLayer> layers = new ArrayList<>();
        for (int i = 0; i < weights.config().layerCount(); i++) {
            String layer = "model.layers." + i;
            RowParallelLinear output = attention.output(layer + ".self_attn.o_proj");
            RowParallelLinear down = feedForward.down(layer + ".mlp.down_proj");
            layers.add(
                    new DecoderLayer(
                            parts.rmsNorm(layer + ".input_layernorm"),
                            attention.rotary(
                                    i,
                                    attention.qkv(layer + ".self_attn"),
                                    Optional.empty(),
                                    output,
                                    ResidualBranch.plain(output).times(residual)),
                            parts.rmsNorm(layer + ".post_attention_layernorm"),
                            feedForward.gated(
                                    feedForward.gateUp(layer + ".mlp"),
                                    down,
                                    ResidualBranch.plain(down).times(residual))));
        }
        return parts.decoder(
                parts.embedding("model.embed_tokens", details.embeddingMultiplier()),
                layers,
                parts.rmsNorm("model.norm"),
                parts.head("model.embed_tokens"));
    }
}
