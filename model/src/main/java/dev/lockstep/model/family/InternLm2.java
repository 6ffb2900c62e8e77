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

/// InternLM 2 and 2.5 (Cai et al. 2024): the computation of Llama, with the queries, the key and
/// the value of each KV head one after the other in one matrix.
public final class InternLm2 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("InternLM2ForCausalLM");
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.tok_embeddings"),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.tok_embeddings", "output"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        String mlp = layer + ".feed_forward";
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".attention_norm"),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.groupedQkv(weights, layer + ".attention.wqkv"),
                                SelfAttention.output(weights, layer + ".attention.wo"))),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".ffn_norm"),
                        FeedForward.gated(weights, mlp + ".w1", mlp + ".w3", mlp + ".w2")));
    }
}
