// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Weights;

/// A learned augmented residual layer of low rank (Menghani et al. 2024), whole on every rank: `out
/// = x + norm(right(left(x)))`.
///
/// @param left `[rank, H]`
/// @param right `[H, rank]`
record Laurel(PackedWeight left, PackedWeight right, Norm.Rms norm) {

    /// Loads `linear_left`, `linear_right` and `post_laurel_norm`.
    static Laurel load(Weights weights, String name) {
        int rank = weights.config().details().altUp().orElseThrow().laurelRank();
        int hidden = weights.config().hiddenSize();
        return new Laurel(
                weights.packWhole(name + ".linear_left", rank, hidden),
                weights.packWhole(name + ".linear_right", hidden, rank),
                Norm.rms(weights, name + ".post_laurel_norm"));
    }

    /// Computes the output for `step.x()`.
    void forward(ForwardStep step, Tensor out) {
        Tensor narrow = step.activations().feedForward(step.tokens(), left.rows());
        norm.kernels().matmul(step.x(), left, narrow);
        norm.kernels().matmul(narrow, right, out);
        norm.apply(out, out);
        norm.kernels().add(out, step.x());
    }
}
