package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.WeightType;

/// One thread's share of the ops that treat every row by itself. Strides are in elements.
///
/// Every implementation computes the same bits.
interface RowOps {

    /// Rows `[from, to)`: `out[t] = table[sourceRows[ids[t]]]`, as floats.
    ///
    /// @param columnBytes where in a stored row the block of the first wanted column begins
    /// @param skipped columns of that block that come before
    /// @param sourceRows address of ints
    void embed(
            long table,
            WeightType type,
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

    /// `out = Σ x²` of each row, as [#rmsNorm] adds them.
    void squareSums(long x, long xStride, int columns, long out, long outStride, int from, int to);

    /// `x = x / sqrt(sums / count + epsilon) · weight`.
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

    /// Sixteen partial sums each for mean and variance, as [#rmsNorm] has them.
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
