// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.DenseBesideExperts;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LayerInputGate;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.QueryAttention;
import dev.lockstep.model.layer.QueryKeyNorm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Gemma 4 (Google 2026), text: Gemma 3 with norms of the heads of v too, scores that are not
/// scaled, larger and fewer heads in layers without a window, whose keys may be their values, and a
/// factor of the residual after each layer. In small ones each layer has embeddings of its own, and
/// the last layers attend to keys and values of earlier ones; mixtures have experts beside the
/// feed-forward:
///
/// ```
/// residual += norm(Wo · attention(rotary(norm(Wq · n)), rotary(norm(Wk · n)), norm(Wv · n)))
/// residual += norm(Wdown · (gelu(Wgate · n) ⊙ (Wup · n)))
/// residual += norm(Wproj · (gelu(Wgate · residual) ⊙ input))
/// residual *= factor
/// ```
public final class Gemma4 implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("Gemma4ForCausalLM", "gemma4");
    }

    @Override
    public Model load(Weights weights) {
        int layers = weights.config().layerCount();
        List<ResidualBranch> branches =
                IntStream.range(0, layers)
                        .boxed()
                        .flatMap(i -> branches(weights, i).stream())
                        .toList();
        return Decoder.ofBranches(
                weights,
                Embedding.load(weights, "model.embed_tokens")
                        .times(Math.sqrt(weights.config().hiddenSize()))
                        .withLayerInputs(weights, "model"),
                branches,
                normAfterLayer(weights, layers - 1, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static List<ResidualBranch> branches(Weights weights, int i) {
        String layer = "model.layers." + i;
        List<ResidualBranch> branches = new ArrayList<>();
        branches.add(
                ResidualBranch.of(
                                normAfterLayer(weights, i - 1, layer + ".input_layernorm"),
                                attention(weights, i, layer + ".self_attn"))
                        .withPostNorm(Norm.rms(weights, layer + ".post_attention_layernorm")));
        branches.add(
                feedForward(weights, i, layer)
                        .withPostNorm(Norm.rms(weights, layer + ".post_feedforward_layernorm")));
        if (weights.config().details().layerInputs().isPresent()) {
            branches.add(
                    ResidualBranch.of(Norm.none(weights), LayerInputGate.load(weights, i, layer))
                            .withPostNorm(Norm.rms(weights, layer + ".post_per_layer_input_norm")));
        }
        return branches;
    }

    private static ResidualBranch feedForward(Weights weights, int i, String layer) {
        return weights.config().hasExperts(i)
                ? DenseBesideExperts.branch(weights, layer)
                : ResidualBranch.of(
                        Norm.rms(weights, layer + ".pre_feedforward_layernorm"),
                        FeedForward.ofLayer(weights, i, layer + ".mlp"));
    }

    /// Loads a norm of the residual, which the layer before multiplies.
    private static Norm normAfterLayer(Weights weights, int before, String name) {
        Norm.Rms norm = Norm.rms(weights, name);
        return before < 0
                ? norm
                : new Norm.Scaled(
                        norm, weights.scalar("model.layers.%d.layer_scalar".formatted(before)));
    }

    private static ResidualBranch.Sublayer attention(Weights weights, int i, String attention) {
        if (weights.config().readsEarlierKv(i)) {
            return QueryAttention.load(weights, i, attention);
        }
        AttentionConfig heads = weights.config().attention(i);
        String keys = attention + ".k_proj";
        String values = attention + ".v_proj";
        return SelfAttention.rotary(
                        weights,
                        i,
                        SelfAttention.qkv(
                                weights,
                                heads,
                                attention + ".q_proj",
                                keys,
                                weights.has(values + ".weight") ? values : keys),
                        SelfAttention.output(weights, heads, attention + ".o_proj"))
                .with(QueryKeyNorm.ofValuesToo(weights, attention, heads));
    }
}
