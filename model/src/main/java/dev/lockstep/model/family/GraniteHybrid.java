// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.Embedding;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.LmHead;
import dev.lockstep.model.layer.Mamba2;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.List;
import java.util.Set;

/// Granite 4 (IBM 2025) without experts: Granite with Mamba-2 in most layers, and attention that
/// has no positions in most models.
public final class GraniteHybrid implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GraniteMoeHybridForCausalLM");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        if (checkpoint.config().details().experts().isPresent()) {
            throw new CheckpointException(
                    "%s: num_local_experts is %d, needs 0: experts beside Mamba layers are not supported"
                            .formatted(
                                    checkpoint.path(),
                                    checkpoint.config().details().experts().get().count()));
        }
    }

    @Override
    public Model load(Weights weights) {
        DecoderDetails details = weights.config().details();
        List<Decoder.Layer> layers =
                Decoder.layers(weights, i -> layer(weights, i, details.residualMultiplier()));
        return Decoder.of(
                weights,
                Embedding.load(weights, "model.embed_tokens").times(details.embeddingMultiplier()),
                layers,
                Norm.rms(weights, "model.norm"),
                LmHead.load(weights, "model.embed_tokens"));
    }

    private static Decoder.Layer layer(Weights weights, int i, double factor) {
        String layer = "model.layers." + i;
        String mlp = layer + ".shared_mlp";
        return new Decoder.Layer(
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".input_layernorm"),
                                mixer(weights, i, layer))
                        .times(factor),
                ResidualBranch.of(
                                Norm.rms(weights, layer + ".post_attention_layernorm"),
                                FeedForward.gated(
                                        weights,
                                        FeedForward.mergedGateUp(weights, mlp + ".input_linear"),
                                        FeedForward.down(weights, mlp + ".output_linear")))
                        .times(factor));
    }

    private static ResidualBranch.Sublayer mixer(Weights weights, int i, String layer) {
        if (weights.config().keepsState(i)) {
            return Mamba2.load(weights, i, layer + ".mamba");
        }
        String attention = layer + ".self_attn";
        return weights.config().rotatesBesideStates()
                ? SelfAttention.rotary(weights, i, attention)
                : SelfAttention.withoutPositions(
                        weights,
                        i,
                        SelfAttention.qkv(weights, attention),
                        SelfAttention.output(weights, attention + ".o_proj"));
    }
}
