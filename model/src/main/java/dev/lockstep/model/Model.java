package dev.lockstep.model;

import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;

/// One rank's shard of a model, loaded. Its memory belongs to the `Kernels` and the
/// [ActivationBuffers] it was loaded with.
public interface Model {

    ModelConfig config();

    Shard shard();

    /// What a block holds on this rank, one for each KV group.
    List<KvLayout> kvLayouts();

    /// The KV groups, in the same order: what is kept and how much of it a block holds here.
    default List<KvGroupLayout> kvGroups() {
        List<KvGroupLayout> groups = new ArrayList<>();
        for (int i = 0; i < kvLayouts().size(); i++) {
            groups.add(KvGroupLayout.of(config().kvGroups().get(i), kvLayouts().get(i)));
        }
        return groups;
    }

    long weightBytes();

    default int vocabularySize() {
        return config().vocabularySize();
    }

    /// For people: which heads, columns and rows this rank holds.
    default String shardDescription() {
        return shard().describe(config());
    }

    /// Runs one step: stores keys and values, returns the logits `[logitCount, vocabulary]` in F32.
    ///
    /// Every rank calls it with equal batches. The logits are complete on every rank and good until
    /// the next call.
    ///
    /// @param kv the blocks of each KV group, in the order of [#kvLayouts]
    Tensor forward(ForwardBatch batch, List<PagedKv> kv, ActivationBuffers activations);

    /// Hidden states `[tokens, hidden size]` of the step that ran last, behind the last layer's
    /// norm: complete on every rank, good until the next step.
    default Tensor hiddenStates(int tokens, ActivationBuffers activations) {
        return activations.hidden(tokens);
    }

    /// Logits of other tokens of the step that ran last; every rank calls it alike. They take the
    /// place of those before.
    ///
    /// @param rows `[1, n]` I32, n at most the logit rows of the activations
    Tensor logits(int tokens, Tensor rows, ActivationBuffers activations);
}
