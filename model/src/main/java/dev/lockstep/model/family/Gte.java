// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.Linear;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// gte (mGTE, Zhang et al. 2024): BERT with rope instead of learned positions and a gated
/// feed-forward, whose matrix has the up rows before the gate rows:
///
/// ```
/// residual = norm(words[id] + types[t])
/// residual = norm(residual + Wo · attention(rotary(q), rotary(k), v))    q, k, v = Wqkv · residual
/// residual = norm(residual + Wdown · (gelu(Wgate · residual) ⊙ (Wup · residual)))
/// ```
///
/// Heads of masked language models and of tokens, and poolers, stay on disk; those of
/// cross-encoders are applied where a score is computed.
public final class Gte implements ModelFamily {
    private static final String WORDS = "embeddings.word_embeddings";

    @Override
    public Set<String> architectures() {
        return Set.of(
                "NewModel",
                "NewForMaskedLM",
                "NewForSequenceClassification",
                "NewForTokenClassification",
                "GteModel");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        EncoderTypes.require(checkpoint);
    }

    @Override
    public Model load(Weights weights) {
        String prefix = weights.has("new." + WORDS + ".weight") ? "new." : "";
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, prefix, i));
        Embedding words = Embedding.load(weights, prefix + WORDS);
        boolean typed = weights.config().details().encoder().orElseThrow().tokenTypes() > 0;
        return Decoder.of(
                weights,
                typed
                        ? words.withTokenTypes(weights, prefix + "embeddings.token_type_embeddings")
                        : words,
                layers,
                normBefore(weights, prefix, weights.config().layerCount()),
                LmHead.none(weights));
    }

    private static Decoder.Layer layer(Weights weights, String prefix, int i) {
        String layer = prefix + "encoder.layer." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        normBefore(weights, prefix, i),
                        SelfAttention.rotary(
                                weights,
                                i,
                                qkv(weights, layer + ".attention"),
                                SelfAttention.output(weights, layer + ".attention.o_proj"))),
                ResidualBranch.of(
                        Norm.ofResidual(weights, layer + ".attn_ln"),
                        FeedForward.gated(
                                weights,
                                FeedForward.mergedUpGate(weights, layer + ".mlp.up_gate_proj"),
                                FeedForward.down(weights, layer + ".mlp.down_proj"))));
    }

    private static Linear.ColumnParallel qkv(Weights weights, String attention) {
        String merged = attention + ".qkv_proj";
        return weights.has(merged + ".weight")
                ? SelfAttention.mergedQkv(weights, merged)
                : SelfAttention.qkv(
                        weights,
                        attention + ".q_proj",
                        attention + ".k_proj",
                        attention + ".v_proj");
    }

    /// Returns the norm that ends the previous layer, or the embedding.
    private static Norm normBefore(Weights weights, String prefix, int layer) {
        return Norm.ofResidual(
                weights,
                layer == 0
                        ? prefix + "embeddings.LayerNorm"
                        : prefix + "encoder.layer." + (layer - 1) + ".mlp_ln");
    }
}
