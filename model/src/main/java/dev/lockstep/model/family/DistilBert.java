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

/// DistilBERT (Sanh et al. 2019): BERT without token types. The head of a masked language model
/// stays on disk, and that of a cross-encoder is applied where a score is computed.
public final class DistilBert implements ModelFamily {
    private static final String PREFIX = "distilbert.";
    private static final String WORDS = "embeddings.word_embeddings";

    @Override
    public Set<String> architectures() {
        return Set.of(
                "DistilBertModel", "DistilBertForMaskedLM", "DistilBertForSequenceClassification");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        EncoderTypes.require(checkpoint);
    }

    @Override
    public Model load(Weights weights) {
        String prefix = weights.has(PREFIX + WORDS + ".weight") ? PREFIX : "";
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, prefix, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, prefix + WORDS)
                        .withPositions(weights, prefix + "embeddings.position_embeddings"),
                layers,
                normBefore(weights, prefix, weights.config().layerCount()),
                LmHead.none(weights));
    }

    private static Decoder.Layer layer(Weights weights, String prefix, int i) {
        String layer = prefix + "transformer.layer." + i;
        String attention = layer + ".attention";
        return new Decoder.Layer(
                ResidualBranch.of(
                        normBefore(weights, prefix, i),
                        SelfAttention.withoutPositions(
                                weights,
                                i,
                                SelfAttention.qkv(
                                        weights,
                                        attention + ".q_lin",
                                        attention + ".k_lin",
                                        attention + ".v_lin"),
                                SelfAttention.output(weights, attention + ".out_lin"))),
                ResidualBranch.of(
                        Norm.ofResidual(weights, layer + ".sa_layer_norm"),
                        FeedForward.plain(weights, layer + ".ffn.lin1", layer + ".ffn.lin2")));
    }

    /// Returns the norm that ends the previous layer, or the embedding.
    private static Norm normBefore(Weights weights, String prefix, int layer) {
        return Norm.ofResidual(
                weights,
                layer == 0
                        ? prefix + "embeddings.LayerNorm"
                        : prefix + "transformer.layer." + (layer - 1) + ".output_layer_norm");
    }
}
