// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.StateConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.Span;
import dev.lockstep.model.StateShard;
import dev.lockstep.model.Weights;
import java.util.ArrayList;
import java.util.List;

/// RMSNorm over the columns of each group of heads. A group may be on several ranks: its squares
/// are summed over them.
///
/// @param weight of this rank's columns
/// @param groups on all ranks
/// @param size columns of a group
/// @param own this rank's columns of each group, counted from its first column
public record GroupNorm(
        Kernels kernels, Tensor weight, float epsilon, int groups, int size, List<Span> own) {

    public GroupNorm {
        own = List.copyOf(own);
    }

    /// Norms `x`, `[T, columns of this rank]`, in place. The memory of [ActivationBuffers#partial]
    /// must not be in use.
    void apply(Tensor x, ActivationBuffers activations) {
        Tensor sums = activations.squareSums(x.rows(), groups);
        kernels.clear(sums);
        for (int group = 0; group < groups; group++) {
            Span columns = own.get(group);
            if (columns.size() > 0) {
                kernels.squareSums(
                        x.columns(columns.from(), columns.to()), sums.columns(group, group + 1));
            }
        }
        activations.communicator().allReduceSum(sums);
        for (int group = 0; group < groups; group++) {
            Span columns = own.get(group);
            if (columns.size() > 0) {
                kernels.normalizeBySums(
                        x.columns(columns.from(), columns.to()),
                        sums.columns(group, group + 1),
                        size,
                        weight.columns(columns.from(), columns.to()),
                        epsilon);
            }
        }
    }

    /// Loads the norm of a Mamba-2 layer.
    static GroupNorm load(
            Weights weights, String name, StateShard shard, StateConfig.Mamba2 config) {
        Span columns = shard.values();
        int size = config.valueColumns() / config.groups();
        List<Span> own = new ArrayList<>();
        for (int group = 0; group < config.groups(); group++) {
            int from = Math.clamp((long) group * size, columns.from(), columns.to());
            int to = Math.clamp((group + 1L) * size, columns.from(), columns.to());
            own.add(new Span(from - columns.from(), to - columns.from()));
        }
        return new GroupNorm(
                weights.kernels(),
                weights.vector(
                        weights.part(name + ".weight", 1, 0, config.valueColumns(), 1)
                                .floats(columns.from(), columns.size())),
                (float) weights.config().normEpsilon(),
                config.groups(),
                size,
                own);
    }
}
