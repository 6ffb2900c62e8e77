// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.model.Model;
import dev.lockstep.model.ModelFamily;
import dev.lockstep.model.Weights;
import dev.lockstep.model.layer.Decoder;
import dev.lockstep.model.layer.FeedForward;
import dev.lockstep.model.layer.Norm;
import dev.lockstep.model.layer.ResidualBranch;
import dev.lockstep.model.layer.SelfAttention;
import java.util.Set;

/// EuroBERT (Boizard et al. 2025): an encoder of Llama's layers. The head of a masked language
/// model stays on disk.
public final class EuroBert implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("EuroBertModel", "EuroBertForMaskedLM");
    }

    @Override
    public void requireSupported(Checkpoint checkpoint) {
        EncoderTypes.require(checkpoint);
    }

    @Override
    public Model load(Weights weights) {
        return Decoder.load(weights, i -> layer(weights, i));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "model.layers." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".input_layernorm"),
                        SelfAttention.rotary(weights, i, layer + ".self_attn")),
                ResidualBranch.of(
                        Norm.rms(weights, layer + ".post_attention_layernorm"),
                        FeedForward.gated(weights, layer + ".mlp")));
    }
}
