// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.AttentionConfig;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
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

/// GPTBigCode (Li et al. 2023, StarCoder): GPT-2 with one key and value head for all queries:
///
/// ```
/// residual += Wproj · attention(q, k, v)    q, k, v = Wattn · n
/// residual += Wproj · gelu(Wfc · n)
/// ```
public final class GptBigCode implements ModelFamily {

    @Override
    public Set<String> architectures() {
        return Set.of("GPTBigCodeForCausalLM", "starcoder");
    }

    /// With a key head for each query the matrix would hold q, k and v head by head; no such model
    /// is published.
    @Override
    public void requireSupported(Checkpoint checkpoint) {
        AttentionConfig attention = checkpoint.config().attention();
        if (attention.kvHeadCount() != 1) {
            throw new CheckpointException(
                    "%s: multi_query is false: GPTBigCode is supported with one key and value head only"
                            .formatted(checkpoint.path()));
        }
    }

    @Override
    public Model load(Weights weights) {
        List<Decoder.Layer> layers = Decoder.layers(weights, i -> layer(weights, i));
        return Decoder.of(
                weights,
                Embedding.load(weights, "transformer.wte")
                        .withPositions(weights, "transformer.wpe"),
                layers,
                Norm.layer(weights, "transformer.ln_f"),
                LmHead.load(weights, "transformer.wte"));
    }

    private static Decoder.Layer layer(Weights weights, int i) {
        String layer = "transformer.h." + i;
        return new Decoder.Layer(
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".ln_1"),
                        SelfAttention.withoutPositions(
                                weights,
                                i,
                                SelfAttention.mergedQkv(weights, layer + ".attn.c_attn"),
                                SelfAttention.output(weights, layer + ".attn.c_proj"))),
                ResidualBranch.of(
                        Norm.layer(weights, layer + ".ln_2"),
                        FeedForward.plain(weights, layer + ".mlp.c_fc", layer + ".mlp.c_proj")));
    }
}
