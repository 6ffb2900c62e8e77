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
import java.util.stream.Stream;

/// BERT (Devlin et al. 2018) and RoBERTa (Liu et al. 2019): encoders with learned positions, token
/// types, biases, and norms after each addition:
///
/// ```
/// residual = norm(words[id] + types[t] + positions[p])
/// residual = norm(residual + Wo · attention(q, k, v))
/// residual = norm(residual + Wdown · gelu(Wup · residual))
/// ```
///
/// Heads of masked language models and poolers stay on disk; those of cross-encoders are applied
/// where a score is computed.
public final class Bert implements ModelFamily {
    private static final String WORDS = "embeddings.word_embeddings";

    @Override
    public Set<String> architectures() {
        return Set.of(
                "bert",
                "BertModel",
                "BertForMaskedLM",
                "BertForSequenceClassification",
                "RobertaModel",
                "RobertaForMaskedLM",
                "RobertaForSequenceClassification",
                "XLMRobertaModel",
                "XLMRobertaForMaskedLM",
                "XLMRobertaForSequenceClassification");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        EncoderTypes.require(checkpoint);
    }

    @Override
    public Model load(Weights weights) {
        String prefix =
                Stream.of("bert.", "roberta.")
                        .filter(each -> weights.has(each + WORDS + ".weight"))
                        .findFirst()
                        .orElse("");
        String embeddings = prefix + "embeddings";
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, prefix, i));
        Embedding words = Embedding.load(weights, prefix + WORDS);
        // A GGUF file may be a DistilBERT, which has none.
        boolean typed = weights.config().details().encoder().orElseThrow().tokenTypes() > 0;
        Embedding embedding =
                typed
                        ? words.withTokenTypes(weights, embeddings + ".token_type_embeddings")
                        : words;
        return Decoder.of(
                weights,
                embedding.withPositions(weights, embeddings + ".position_embeddings"),
                layers,
                normBefore(weights, prefix, weights.config().layerCount()),
                LmHead.none(weights));
    }

    private static Decoder.Layer layer(Weights weights, String prefix, int i) {
        String layer = prefix + "encoder.layer." + i;
        String attention = layer + ".attention.self";
        return new Decoder.Layer(
                ResidualBranch.of(
                        normBefore(weights, prefix, i),
                        SelfAttention.withoutPositions(
                                weights,
                                i,
                                SelfAttention.qkv(
                                        weights,
                                        attention + ".query",
                                        attention + ".key",
                                        attention + ".value"),
                                SelfAttention.output(weights, layer + ".attention.output.dense"))),
                ResidualBranch.of(
                        Norm.ofResidual(weights, layer + ".attention.output.LayerNorm"),
                        FeedForward.plain(
                                weights, layer + ".intermediate.dense", layer + ".output.dense")));
    }

    /// Returns the norm that ends the previous layer, or the embedding.
    private static Norm normBefore(Weights weights, String prefix, int layer) {
        return Norm.ofResidual(
                weights,
                layer == 0
                        ? prefix + "embeddings.LayerNorm"
                        : prefix + "encoder.layer." + (layer - 1) + ".output.LayerNorm");
    }
}
