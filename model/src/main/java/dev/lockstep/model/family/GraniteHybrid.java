// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Mamba2;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// Granite 4 (IBM 2025): Granite with Mamba-2 in most layers, attention that has no positions in
/// most models, and in some models experts beside the shared feed-forward.
public final class GraniteHybrid implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GraniteMoeHybridForCausalLM", "granitehybrid");
    }

    @Override
    public Model load(Weights weights) {
        DecoderDetails details = weights.config().details();
        List<Decoder.Layer> layers =
                Decoder.layers(weights, i -> layer(weights, i, details.residualMultiplier()));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens").times(details.embeddingMultiplier()),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, double factor) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".input_layernorm"),
                                mixer(weights, i, layer))
                        .times(factor),
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".post_attention_layernorm"),
                                feedForward(weights, layer))
                        .times(factor));
    }

    private static FeedForward feedForward(Weights weights, String layer) {
        String shared = layer + ".shared_mlp";
        if (weights.config().details().experts().isPresent()) {
            return MixtureOfExperts.load(
                            weights,
                            layer + ".block_sparse_moe.router.layer",
                            GraniteMoe.expertSource(weights, layer))
                    .with(GraniteMoe.sharedExpert(weights, shared));
        }
        if (weights.has(layer + ".mlp.gate_proj.weight")) {
            return FeedForward.gated(weights, layer + ".mlp");
        }
        return FeedForward.gated(
                weights,
                FeedForward.mergedGateUp(weights, shared + ".input_linear"),
                FeedForward.down(weights, shared + ".output_linear"));
    }

    private static ResidualBranch.Sublayer mixer(Weights weights, int i, String layer) {
        if (weights.config().keepsState(i)) {
            return Mamba2.load(weights, i, layer + ".mamba");
        }
        String attention = layer + ".self_attn";
        return weights.config().rotatesBesideStates()
                ? SelfAttention.rotary(weights, i, attention)
                : SelfAttention.withoutPositions(
                        weights,
                        i,
                        SelfAttention.qkv(weights, attention),
                        SelfAttention.output(weights, attention + ".o_proj"));
    }
}
