// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ActivationBuffers;
import dev.lockstep.model.OutputRows;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.Optional;

/// A linear layer whose weight `[outputs, inputs]` is cut over the ranks, in one of the two ways of
/// tensor parallelism (Shoeybi et al. 2019). A column-parallel layer followed by a row-parallel one
/// needs a single sum over the ranks.
public sealed interface Linear {

    /// Cut by outputs: each rank computes its own columns of the result.
    record ColumnParallel(Kernels kernels, PackedWeight weight, Optional<Tensor> bias)
            implements Linear {

        /// Packs rows of stored matrices and of their biases, one below the other.
        public static ColumnParallel load(Weights weights, OutputRows... outputs) {
            return new ColumnParallel(
                    weights.kernels(), weights.packRows(outputs), weights.bias(outputs));
        }

        /// Computes `out = x · weightᵀ + bias`.
        ///
        /// @param x `[T, inputs]`
        /// @param out `[T, outputs of this rank]`
        public void forward(Tensor x, Tensor out) {
            kernels.matmul(x, weight, out);
            if (bias.isPresent()) {
                kernels.add(out, bias.get());
            }
        }
    }

    /// Cut by inputs: each rank computes a partial sum of the whole result. [ResidualBranch] sums
    /// over the ranks and then adds the bias, which is whole on every rank.
    record RowParallel(Kernels kernels, PackedWeight weight, Optional<Tensor> bias)
            implements Linear {

        /// Packs columns of a stored matrix, and its whole bias.
        ///
        /// @param inputs the columns of this rank
        public static RowParallel load(Weights weights, OutputRows outputs, Span inputs) {
            return new RowParallel(
                    weights.kernels(), weights.packColumns(outputs, inputs), weights.bias(outputs));
        }

        /// Returns this rank's partial sum `x · weightᵀ`, `[T, outputs]` in the communicator's
        /// memory.
        ///
        /// @param x `[T, inputs of this rank]`
        public Tensor forward(Tensor x, ActivationBuffers activations) {
            Tensor partial = activations.partial(x.rows());
            kernels.matmul(x, weight, partial);
            return partial;
        }
    }
}
