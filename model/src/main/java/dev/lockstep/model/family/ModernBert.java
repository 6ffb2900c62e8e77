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

/// ModernBERT (Warner et al. 2024): an encoder with rope, norms before each branch but the first,
/// whose norm is that of the embedding, a gated feed-forward, and two layers with a window on both
/// sides to one without, each kind with a rope of its own:
///
/// ```
/// residual  = norm(words[id])
/// residual += Wo · attention(rotary(q), rotary(k), v)    q, k, v = Wqkv · n
/// residual += Wo · (gelu(Wi₁ · n) ⊙ (Wi₂ · n))
/// ```
///
/// Norms have biases if the checkpoint has them. The head of a masked language model stays on disk,
/// and that of a cross-encoder is applied where a score is computed.
public final class ModernBert implements ModelFamily {
    private static final String WORDS = "embeddings.tok_embeddings";

    @Override
    public Set<String> architectures() {
        return Set.of(
                "modern-bert",
                "ModernBertModel",
                "ModernBertForMaskedLM",
                "ModernBertForSequenceClassification");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        EncoderTypes.require(checkpoint);
    }

    @Override
    public Model load(Weights weights) {
        String prefix = weights.has("model." + WORDS + ".weight") ? "model." : "";
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, prefix, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, prefix + WORDS),
                layers,
                norm(weights, prefix + "final_norm"),
                LmHead.none(weights));
    }

    private static Decoder.Layer layer(Weights weights, String prefix, int i) {
        String layer = prefix + "layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        i == 0
                                ? new Norm.OfResidual(norm(weights, prefix + "embeddings.norm"))
                                : norm(weights, layer + ".attn_norm"),
                        SelfAttention.rotary(
                                weights,
                                i,
                                SelfAttention.mergedQkv(weights, layer + ".attn.Wqkv"),
                                SelfAttention.output(weights, layer + ".attn.Wo"))),
                ResidualBranch.of(
                        norm(weights, layer + ".mlp_norm"),
                        FeedForward.gated(
                                weights,
                                FeedForward.mergedGateUp(weights, layer + ".mlp.Wi"),
                                FeedForward.down(weights, layer + ".mlp.Wo"))));
    }

    private static Norm.Layer norm(Weights weights, String name) {
        return weights.has(name + ".bias")
                ? Norm.layer(weights, name)
                : Norm.layerWithoutBias(weights, name);
    }
}
