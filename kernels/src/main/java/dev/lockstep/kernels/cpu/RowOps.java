package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.WeightType;

/// One thread's share of the ops that treat every row by itself. Strides are in elements.
///
/// Every implementation computes the same bits.
interface RowOps {

    /// Rows `[from, to)`: `out[t] = table[sourceRows[ids[t]]]`, as floats.
    ///
    /// @param columnBytes where in a stored row the wanted columns begin
    /// @param sourceRows address of ints
    void embed(
            long table,
            WeightType type,
            long rowBytes,
            long columnBytes,
            int columns,
            long sourceRows,
            long ids,
            long out,
            long outStride,
            int from,
            int to);

    /// Sixteen partial sums of squares (column c goes to sum c mod 16), added by [VectorLanes#sum].
    void rmsNorm(
            long x,
            long xStride,
            long weight,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to);

    /// `residual += x`, then [#rmsNorm] of it.
    void addRmsNorm(
            long x,
            long xStride,
            long residual,
            long residualStride,
            long weight,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to);

    /// `out = gate / (1 + e^-gate) · up`, with [Exponential].
    ///
    /// @param columns of `out`; a row of `gateUp` has twice as many
    void siluMultiply(
            long gateUp, long stride, int columns, long out, long outStride, int from, int to);
}
