// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// GPT-NeoX (Black et al. 2022) and Pythia: attention and feed-forward are parallel, each with a
/// LayerNorm of its own; q, k and v of a head follow each other in one matrix:
///
/// ```
/// residual += Wo · attention(rotary(q), rotary(k), v) + W₂ · gelu(W₁ · norm₂(residual))
///             with q, k, v of Wqkv · norm₁(residual)
/// ```
public final class GptNeoX implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GPTNeoXForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "gpt_neox.embed_in"),
                layers,
                Norm.layer(weights, "gpt_neox.final_layer_norm"),
                LmHead.load(weights, "gpt_neox.embed_in", "embed_out"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "gpt_neox.layers." + i;
        String mlp = layer + ".mlp";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.groupedQkv(
                                        weights, layer + ".attention.query_key_value"),
                                SelfAttention.output(weights, layer + ".attention.dense"))),
                ResidualBranch.of(
                        Norm.parallel(weights, layer + ".post_attention_layernorm"),
                        FeedForward.plain(
                                weights, mlp + ".dense_h_to_4h", mlp + ".dense_4h_to_h")));
    }
}
