// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
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

/// nomic-bert (Nussbaum et al. 2024): BERT with rope instead of learned positions, a gated
/// feed-forward, and no biases but those of norms:
///
/// ```
/// residual = norm(words[id] + types[0])
/// residual = norm(residual + Wo · attention(rotary(q), rotary(k), v))    q, k, v = Wqkv · residual
/// residual = norm(residual + W₂ · (silu(W₁₂ · residual) ⊙ (W₁₁ · residual)))
/// ```
public final class NomicBert implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("NomicBertModel", "nomic-bert");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        EncoderTypes.require(checkpoint);
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "embeddings.word_embeddings")
                        .withTokenTypes(weights, "embeddings.token_type_embeddings"),
                layers,
                normBefore(weights, weights.config().layerCount()),
                LmHead.none(weights));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "encoder.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        normBefore(weights, i),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.mergedQkv(weights, layer + ".attn.Wqkv"),
                                SelfAttention.output(weights, layer + ".attn.out_proj"))),
                ResidualBranch.of(
                        Norm.ofResidual(weights, layer + ".norm1"),
                        FeedForward.gated(
                                weights,
                                layer + ".mlp.fc12",
                                layer + ".mlp.fc11",
                                layer + ".mlp.fc2")));
    }

    /// Returns the norm that ends the previous layer, or the embedding.
    private static Norm normBefore(Weights weights, int layer) {
        return Norm.ofResidual(
                weights, layer == 0 ? "emb_ln" : "encoder.layers.%d.norm2".formatted(layer - 1));
    }
}
