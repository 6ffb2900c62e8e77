// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.checkpoint.TensorType;

/// One thread's share of the row-wise ops. Strides are in elements.
///
/// Every implementation computes the same bits.
interface RowOps {

    /// Computes rows `[from, to)` of `out[t] = table[sourceRows[ids[t]]]`, as floats.
    ///
    /// @param columnBytes offset in a stored row of the block that holds the first column
    /// @param skipped columns of that block that precede the first one
    /// @param sourceRows address of ints
    void embed(
            long table,
            TensorType type,
            long rowBytes,
            long columnBytes,
            int skipped,
            int columns,
            long sourceRows,
            long ids,
            long out,
            long outStride,
            int from,
            int to);

    /// Computes the RMS norm by sixteen partial sums of squares (column c goes to sum c mod 16),
    /// added by [VectorLanes#sum].
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

    /// Computes `residual += x`, then [#rmsNorm] of `residual`.
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

    /// Computes `out = Σ x²` of each row, added as in [#rmsNorm].
    void squareSums(long x, long xStride, int columns, long out, long outStride, int from, int to);

    /// Computes `x = x / sqrt(sums / count + epsilon) · weight`.
    void normalizeBySums(
            long x,
            long xStride,
            long sums,
            long sumsStride,
            int count,
            long weight,
            int columns,
            float epsilon,
            int from,
            int to);

    /// Computes the layer norm by sixteen partial sums each for mean and variance, as in
    /// [#rmsNorm].
    void layerNorm(
            long x,
            long xStride,
            long weight,
            long bias,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to);
}
