// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;

/// One rank's loaded shard of a model. Its memory belongs to the `Kernels` that it was loaded with.
public interface Model {

    ModelConfig config();

    Shard shard();

    /// Returns the layout of a block on this rank for each KV group.
    List<KvLayout> kvLayouts();

    /// Returns the KV groups with their layouts, in the order of [#kvLayouts].
    default List<KvGroupLayout> kvGroups() {
        List<KvGroupLayout> groups = new ArrayList<>();
        for (int i = 0; i < kvLayouts().size(); i++) {
            groups.add(
                    isEncoder()
                            ? KvGroupLayout.none(kvLayouts().get(i))
                            : KvGroupLayout.of(config().kvGroups().get(i), kvLayouts().get(i)));
        }
        return groups;
    }

    /// Returns whether tokens attend to later ones, so that a step has all of a sequence.
    default boolean isEncoder() {
        return config().details().encoder().isPresent();
    }

    /// Returns whether the model computes logits, without which no row may have a logit row.
    default boolean hasOutputHead() {
        return true;
    }

    long weightBytes();

    default int vocabularySize() {
        return config().vocabularySize();
    }

    /// Returns a description for display: the heads, columns and rows of this rank.
    default String shardDescription() {
        return shard().describe(config());
    }

    /// Runs one step: stores keys and values, returns the logits in F32.
    ///
    /// Every rank calls it with equal batches. Rank 0 gets `[logit rows, vocabulary]`, the other
    /// ranks `[logit rows, 0]`: only rank 0 samples. Valid until the next call.
    ///
    /// @param kv the blocks of each KV group, in the order of [#kvLayouts]
    Tensor forward(ForwardBatch batch, List<PagedKv> kv, ActivationBuffers activations);

    /// Returns the hidden states `[tokens, hidden size]` of the last step, after the final norm:
    /// complete on every rank, valid until the next step.
    default Tensor hiddenStates(int tokens, ActivationBuffers activations) {
        return activations.hidden(tokens);
    }

    /// Returns the logits of other tokens of the last step, on rank 0 alone as [#forward] does;
    /// every rank calls it with equal arguments. They overwrite the previous logits.
    ///
    /// @param rows `[1, n]` I32, n at most the logit rows of the activations
    Tensor logits(int tokens, Tensor rows, ActivationBuffers activations);
}
