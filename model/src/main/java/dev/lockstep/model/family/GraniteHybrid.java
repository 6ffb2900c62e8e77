// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Mamba2;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import dev.lockstep.model.layer.SharedExpert;
import java.util.List;
import java.util.Set;

/// Granite 4 (IBM 2025): Granite with Mamba-2 in most layers, attention that has no positions in
/// most models, and in some models experts beside the shared feed-forward.
public final class GraniteHybrid implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GraniteMoeHybridForCausalLM");
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
            String block = layer + ".block_sparse_moe";
            return MixtureOfExperts.load(
                            weights,
                            block + ".router.layer",
                            new ExpertSource.Merged(
                                    block + ".input_linear", block + ".output_linear"))
                    .with(
                            SharedExpert.merged(
                                    weights, shared + ".input_linear", shared + ".output_linear"));
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
