// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The tokens of a step by expert; returned by [Kernels#route], valid until its next call.
public interface ExpertRouting {
    int experts();

    /// Returns the tokens of one expert, ascending: `[1, n]` I32, n may be 0.
    Tensor rows(int expert);

    /// Returns the weights of these tokens in the same order: `[1, n]` F32.
    Tensor weights(int expert);
}
