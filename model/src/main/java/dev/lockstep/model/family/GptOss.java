// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.kernels.Activation;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.ExpertSource;
import dev.lockstep.model.layer.MixtureOfExperts;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.Router;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// gpt-oss (OpenAI 2025): biases everywhere, windows in every other layer, a sink in the softmax of
/// each head, and experts with a clamped gate; u and g are an expert's projections of n:
///
/// ```
/// residual += Wo · attention(rotary(Wq · n), rotary(Wk · n), Wv · n; sinks)
/// residual += Σ over the chosen experts of router(n) · Wdown · (g · σ(1.702 g) ⊙ (u + 1))
/// ```
public final class GptOss implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GptOssForCausalLM", "gpt-oss");
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String attention = layer + ".self_attn";
        String experts = layer + ".mlp.experts";
        // GGUF files, and folders with experts that were quantized, have a matrix for each.
        boolean separate =
                weights.has(experts + ".gate_proj.weight")
                        || weights.has(experts + ".0.gate_proj.weight");
        ExpertSource source =
                separate
                        ? ExpertSource.Separate.of(experts)
                        : new ExpertSource.Interleaved(experts);
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, attention)
                                .withSinks(weights, attention + ".sinks")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        MixtureOfExperts.load(
                                weights,
                                Router.load(weights, layer + ".mlp.router"),
                                source,
                                Activation.CLAMPED_SWIGLU)));
    }
}
