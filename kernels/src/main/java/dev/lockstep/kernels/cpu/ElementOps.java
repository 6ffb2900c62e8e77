// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Xielu;

/// One thread's share of the element-wise ops: rows `[from, to)`. Strides are in elements.
///
/// Every implementation computes the same bits.
interface ElementOps {

    /// Computes `x += y`.
    ///
    /// @param yStride 0 adds the same row to every row
    void add(long x, long xStride, long y, long yStride, int columns, int from, int to);

    /// Computes `x += y / (1 + e^-logit)`, with the logit of each row.
    void addGated(
            long x,
            long xStride,
            long y,
            long yStride,
            long logits,
            long logitStride,
            int columns,
            int from,
            int to);

    /// Computes `x = x · factor`.
    void scale(long x, long xStride, float factor, int columns, int from, int to);

    /// Computes `x = x · factors[positions[row]]`, of floats and ints without gaps.
    void scaleRows(
            long x, long xStride, long factors, long positions, int columns, int from, int to);

    /// Computes `x = cap · tanh(x / cap)`, with [HyperbolicTangent].
    void softCap(long x, long xStride, float cap, int columns, int from, int to);

    /// Computes `x = xielu(x)`, with [ActivationFunctions].
    void xielu(Xielu xielu, long x, long xStride, int columns, int from, int to);

    /// Computes `out = activation(x)`, with [ActivationFunctions].
    void activate(
            Activation activation,
            long x,
            long stride,
            int columns,
            long out,
            long outStride,
            int from,
            int to);

    /// Computes `out = activation(gate) · up`, with [ActivationFunctions#gated].
    ///
    /// @param columns of `out`; a row of `gateUp` has twice as many
    void activateMultiply(
            Activation activation,
            long gateUp,
            long stride,
            int columns,
            long out,
            long outStride,
            int from,
            int to);
}
