// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import dev.lockstep.model.layer.SharedExpert;
import java.util.List;
import java.util.Set;

/// Granite 3's mixtures (IBM 2024): Granite with experts in place of a feed-forward, in some models
/// beside a shared one:
///
/// ```
/// residual += factor · Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n)
/// residual += factor · (Σ over the chosen experts e of routerₑ(n) · expertₑ(n) + shared(n))
/// ```
public final class GraniteMoe implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM", "granitemoe");
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
        String attention = layer + ".self_attn";
        return new Decoder.Layer(
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".input_layernorm"),
                                SelfAttention.rotary(weights, i, attention))
                        .times(factor),
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".post_attention_layernorm"),
                                experts(weights, layer))
                        .times(factor));
    }

    private static MixtureOfExperts experts(Weights weights, String layer) {
        MixtureOfExperts experts =
                MixtureOfExperts.load(
                        weights,
                        layer + ".block_sparse_moe.router.layer",
                        expertSource(weights, layer));
        return SharedExpert.isConfigured(weights)
                ? experts.with(sharedExpert(weights, layer + ".shared_mlp"))
                : experts;
    }

    /// Returns the experts, which GGUF files have in a matrix for each projection, and folders with
    /// experts that were quantized in a matrix for each expert.
    static ExpertSource expertSource(Weights weights, String layer) {
        String block = layer + ".block_sparse_moe";
        if (weights.has(block + ".experts.0.gate_proj.weight")) {
            return ExpertSource.Separate.of(block + ".experts");
        }
        return weights.has(layer + ".mlp.experts.gate_proj.weight")
                ? ExpertSource.Separate.of(layer + ".mlp.experts")
                : new ExpertSource.Merged(block + ".input_linear", block + ".output_linear");
    }

    /// Loads the experts that every token uses, which GGUF files have in three matrices.
    static SharedExpert sharedExpert(Weights weights, String shared) {
        return weights.has(shared + ".gate_proj.weight")
                ? SharedExpert.load(weights, shared)
                : SharedExpert.merged(weights, shared + ".input_linear", shared + ".output_linear");
    }
}
