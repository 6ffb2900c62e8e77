// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.ParallelFactors;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Mamba2;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ParallelMixer;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.ScaledFeedForward;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// Falcon-H1 (TII 2025): attention and Mamba-2 side by side in every layer, and a factor at each
/// projection.
public final class FalconH1 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("FalconH1ForCausalLM", "falcon-h1");
    }

    @Override
    public Model load(Weights weights) {
        ParallelFactors factors = weights.config().parallelFactors().orElseThrow();
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i, factors));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens")
                        .times(weights.config().details().embeddingMultiplier()),
                layers,
                Norm.rms(weights, "model.final_layernorm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, ParallelFactors factors) {
        String layer = "model.layers." + i;
        var feedForward =
                new ScaledFeedForward(
                        FeedForward.gated(weights, layer + ".feed_forward"),
                        (float) factors.gate());
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        new ParallelMixer(
                                weights.kernels(),
                                Mamba2.load(weights, i, layer + ".mamba"),
                                SelfAttention.rotary(weights, i, layer + ".self_attn")
                                        .with(
                                                new QueryKeyNorm.Factors(
                                                        weights.kernels(),
                                                        (float) factors.attentionIn(),
                                                        (float)
                                                                (factors.attentionIn()
                                                                        * factors.key()))),
                                factors)),
                ResidualBranch.of(Norm.rms(weights, layer + ".pre_ff_layernorm"), feedForward)
                        .times(factors.down()));
    }
}
