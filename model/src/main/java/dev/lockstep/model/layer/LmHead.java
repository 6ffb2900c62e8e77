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
import java.util.Optional;

/// The output head, cut by vocabulary; the ranks' logits are gathered on rank 0, which samples.
///
/// @param weight empty for a model that computes no logits (a base model without a head, an
///   encoder, a classifier): no request may ask for them
/// @param bias of this rank's rows
/// @param columns the number of vocabulary rows of each rank
/// @param multiplier of the logits, 1 for none
/// @param softCap of the logits, 0 for none
public record LmHead(
        Kernels kernels,
        Optional<PackedWeight> weight,
        Optional<Tensor> bias,
        int[] columns,
        float multiplier,
        float softCap) {

    /// Returns the head of a model that has none.
    public static LmHead none(Weights weights) {
        return of(weights, Optional.empty(), Optional.empty());
    }

    /// Loads `lm_head`, or the embedding where the two are tied. A base model may have neither, and
    /// an encoder has no use for one.
    public static LmHead load(Weights weights, String embedding) {
        return load(weights, embedding, "lm_head");
    }

    /// Loads the head of this name and its bias if the checkpoint has one, or the embedding where
    /// the two are tied.
    public static LmHead load(Weights weights, String embedding, String head) {
        ModelConfig config = weights.config();
        if (!weights.hasOutputHead()) {
            if (weights.isBaseModel() || config.details().encoder().isPresent()) {
                return none(weights);
            }
            throw weights.missing(head + ".weight", "only a base model may have no output head");
        }
        Shard shard = weights.shard();
        Optional<Tensor> bias =
                weights.has(head + ".bias") && shard.vocabulary().size() > 0
                        ? Optional.of(
                                weights.vector(
                                        head + ".bias",
                                        config.vocabularySize(),
                                        shard.vocabulary(),
                                        0))
                        : Optional.empty();
        String name = (config.tiedEmbeddings() ? embedding : head) + ".weight";
        return of(weights, Optional.of(pack(weights, name)), bias);
    }

    private static LmHead of(
            Weights weights, Optional<PackedWeight> weight, Optional<Tensor> bias) {
        ModelConfig config = weights.config();
        DecoderDetails details = config.details();
        return new LmHead(
                weights.kernels(),
                weight,
                bias,
                Shard.cut(config, weights.shard().size()).stream()
                        .mapToInt(each -> each.vocabulary().size())
                        .toArray(),
                (float) (1 / details.logitDivisor()),
                (float) details.logitCap().orElse(0));
    }

    private static PackedWeight pack(Weights weights, String name) {
        ModelConfig config = weights.config();
        OutputRows vocabulary =
                OutputRows.of(weights.matrix(name, config.vocabularySize(), config.hiddenSize()));
        return weights.packRows(vocabulary.cut(weights.shard().vocabulary()));
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
        kernels.matmul(input, weight.orElseThrow(), shardLogits);
        bias.ifPresent(values -> kernels.add(shardLogits, values));
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
