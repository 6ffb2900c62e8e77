// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.DecoderDetails;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Shard;
import dev.lockstep.model.Weights;

/// The output head, cut by vocabulary; the ranks' logits are gathered on rank 0, which samples.
///
/// @param columns the number of vocabulary rows of each rank
/// @param multiplier of the logits, 1 for none
/// @param softCap of the logits, 0 for none
public record LmHead(
        Kernels kernels, PackedWeight weight, int[] columns, float multiplier, float softCap) {

    /// Loads `lm_head`, or the embedding where the two are tied.
    public static LmHead load(Weights weights, String embedding) {
        ModelConfig config = weights.config();
        DecoderDetails details = config.details();
        Shard shard = weights.shard();
        if (!config.tiedEmbeddings() && !weights.has("lm_head.weight")) {
            throw weights.missing(
                    "lm_head.weight", "a base model without an output head is not supported");
        }
        String name = (config.tiedEmbeddings() ? embedding : "lm_head") + ".weight";
        OutputRows vocabulary =
                OutputRows.of(weights.matrix(name, config.vocabularySize(), config.hiddenSize()));
        return new LmHead(
                weights.kernels(),
                weights.packRows(vocabulary.cut(shard.vocabulary())),
                Shard.cut(config, shard.size()).stream()
                        .mapToInt(each -> each.vocabulary().size())
                        .toArray(),
                (float) (1 / details.logitDivisor()),
                (float) details.logitCap().orElse(0));
    }

    /// Returns the logits `[n, vocabulary]` of some rows of `x` on rank 0, `[n, 0]` on the others.
    ///
    /// @param x `[T, H]`, normed
    /// @param rows `[1, n]` I32
    Tensor forward(Tensor x, Tensor rows, ActivationBuffers activations) {
        int count = rows.columns();
        Tensor logits = activations.logits(count);
        if (count == 0) {
            return logits;
        }
        Tensor input = activations.logitInput(count);
        Tensor shardLogits = activations.shardLogits(count);
        kernels.gatherRows(x, rows, input);
        kernels.matmul(input, weight, shardLogits);
        if (multiplier != 1) {
            kernels.scale(shardLogits, multiplier);
        }
        if (softCap != 0) {
            kernels.softCap(shardLogits, softCap);
        }
        activations.communicator().gather(shardLogits, columns, 0, logits);
        return logits;
    }
}
