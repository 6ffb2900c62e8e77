// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Tensor;
import dev.lockstep.nccl.Communicator;
import java.util.Optional;

/// One branch beside the residual, attention or feed-forward:
///
/// ```
/// residual += multiplier · postNorm(Σ over ranks of sublayer(norm(residual)) + bias)
/// ```
///
/// Each branch computes the next branch's norm together with its own sum and addition, which one
/// collective can do. So `step.x()` holds this branch's normed input before [#forward] and the next
/// branch's after it.
///
/// @param postNorm the norm of the branch's output, in families that have one
/// @param multiplier 1 for none
public record ResidualBranch(
        Norm norm, Sublayer sublayer, Optional<Norm.Rms> postNorm, float multiplier) {

    /// The function that a residual branch computes, cut over the ranks.
    public sealed interface Sublayer
            permits SelfAttention,
                    GatedAttention,
                    LatentAttention,
                    ParallelMixer,
                    QueryAttention,
                    LayerInputGate,
                    StateLayer,
                    FeedForward {

        /// Returns this rank's partial sum of the output for `step.x()`, `[T, H]` in the
        /// communicator's memory.
        Tensor forward(ForwardStep step);

        /// Returns whether [#forward] has summed over the ranks already.
        default boolean isSummed() {
            return false;
        }

        /// Returns the bias of the output, added once after the sum over the ranks.
        Optional<Tensor> bias();
    }

    /// Creates a branch whose output is added unchanged.
    public static ResidualBranch of(Norm norm, Sublayer sublayer) {
        return new ResidualBranch(norm, sublayer, Optional.empty(), 1);
    }

    /// Returns this branch with a norm of its output.
    public ResidualBranch withPostNorm(Norm.Rms added) {
        return new ResidualBranch(norm, sublayer, Optional.of(added), multiplier);
    }

    /// Returns this branch with its output multiplied.
    public ResidualBranch times(double factor) {
        return new ResidualBranch(norm, sublayer, postNorm, (float) factor);
    }

    /// Adds the branch to the residual and writes the next branch's input to `step.x()`.
    ///
    /// @param next the norm of the next branch, or of the head
    void forward(ForwardStep step, Norm next) {
        Communicator communicator = step.activations().communicator();
        Tensor partial = sublayer.forward(step);
        Optional<Tensor> bias = sublayer.bias();
        boolean summed = sublayer.isSummed();
        if (bias.isEmpty() && postNorm.isEmpty() && multiplier == 1 && !summed) {
            next.sumThenApply(communicator, partial, step.residual(), step.x());
            return;
        }
        if (!summed) {
            communicator.allReduceSum(partial);
        }
        bias.ifPresent(values -> norm.kernels().add(partial, values));
        postNorm.ifPresent(each -> each.apply(partial, partial));
        if (multiplier != 1) {
            norm.kernels().scale(partial, multiplier);
        }
        next.addThenApply(partial, step.residual(), step.x());
    }
}
