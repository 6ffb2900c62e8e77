// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.LinearAttentionHeads;

/// One thread's share of the ops over states. Strides are in elements, a missing vector is 0.
///
/// Every implementation computes the same bits.
interface StateOps {

    /// The greatest number of taps of a convolution.
    int MAX_TAPS = 8;

    /// The rows of a step: addresses of I32 arrays, as in [dev.lockstep.kernels.PagedBatch].
    record Rows(int count, long starts, long computed, long lines) {}

    /// The states of a layer: one line after the other.
    record States(long address, long stride) {}

    /// Convolves tiles `[from, to)` of sixteen channels in place.
    void convolve(
            Rows rows,
            States states,
            long x,
            long stride,
            int columns,
            long weight,
            long bias,
            int taps,
            int from,
            int to);

    /// Computes the gates of tokens `[from, to)` in place.
    ///
    /// @param steps whether a token's share is its step, not a gate of its own
    void decay(
            long gates,
            long stride,
            int heads,
            long rate,
            long bias,
            float least,
            float most,
            boolean steps,
            int from,
            int to);

    /// Attends in units `[from, to)`: sixteen columns of a value head each.
    void attend(
            Rows rows,
            States states,
            LinearAttentionHeads heads,
            long qkv,
            long stride,
            long gates,
            long gateStride,
            long skip,
            long out,
            long outStride,
            int from,
            int to);

    /// Computes `x = x · y` or `x = x · logistic(y)` in rows `[from, to)`.
    void multiply(
            long x,
            long stride,
            int columns,
            long y,
            long yStride,
            int yColumns,
            boolean gated,
            int from,
            int to);
}
