// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.checkpoint.TensorType;

/// One thread's share of packing weights, of preparing activations and of multiplying them.
///
/// Weights are packed in tiles of [#TILE_ROWS] output rows, so that a vector lane is an output and
/// no sum crosses lanes; rows missing in the last tile are zero. The implementation defines the
/// layout of a tile and of prepared activations.
///
/// Every sum runs over ascending columns, one chain per output, for any number of tokens:
/// - F32: `acc = fma(w, x, acc)`.
/// - BF16: activations are rounded to bf16, half to even. With the bf16 instruction, pairs are
///   added as the instruction does; without it, `acc = fma(w, x, acc)` in f32.
/// - E4M3, NVFP4, NF4, FP4: as F32 or BF16, by the compute type, with w rounded to f32 and then to
///   bf16.
/// - Quantized, 32 columns at a time: activations have scale `da = absmax / 127` (zero below the
///   smallest normal float) and `q = round-half-even(x · (127 / absmax))`. Then `acc = fma(dw · da,
///   (float) Σ w·q, acc)` with an exact integer sum, and for formats with a minimum `acc = fma(m,
///   da · (float) Σ q, acc)`. Q4_K and Q5_K have dw = d·s and minimum −e·m. Where each half of 16
///   columns has its own scale (Q2_K, Q3_K, Q6_K, IQ4_XS, types of a `GridBlock`), the scales
///   multiply the integers: dw = d, or d · unit, and the sum is `s₀·Σ₀ w·q + s₁·Σ₁ w·q`; the
///   minimum of Q2_K is `acc = fma(e · da, −(float) (m₀·Σ₀ q + m₁·Σ₁ q), acc)`.
///
/// F32 and quantized results are bitwise equal in every implementation.
interface MatmulOps {
    int TILE_ROWS = 16;

    /// Prepared activations, and weights, of at most so many bytes stay together in a core's
    /// second-level cache.
    int CACHED_BYTES = 384 << 10;

    /// Returns the layout of packed tiles. Its version is raised by whoever changes a byte of them:
    /// files of packed weights outlive a build. `PackedLayoutTest` notices.
    PackedLayout layout();

    /// Returns the bytes of one packed tile, a multiple of 64.
    ///
    /// @param skipped columns of the first stored block that precede the segment's first
    long tileBytes(WeightFormat format, int columns, int skipped);

    /// Packs tiles `[tileFrom, tileTo)` of one segment into zeroed memory.
    void pack(WeightSource source, WeightFormat format, long target, int tileFrom, int tileTo);

    /// Returns the bytes of one row of activations prepared for `format`.
    long activationBytes(WeightFormat format, int columns);

    /// Returns how many rows of prepared activations a call of [#multiply] gets at most: as many as
    /// stay in that cache beside the weights.
    ///
    /// @param rowBytes bytes from row to row
    default int rowsAtOnce(WeightFormat format, long rowBytes) {
        return (int) Math.max(8, CACHED_BYTES / Math.max(rowBytes, 1) / 8 * 8);
    }

    /// Prepares rows `[rowFrom, rowTo)` of `x` for BF16 or a quantized format.
    ///
    /// @param xStride elements from row to row
    /// @param rowBytes bytes from row to row of `target`
    void prepareActivations(
            WeightFormat format,
            long x,
            long xStride,
            int columns,
            long target,
            long rowBytes,
            int rowFrom,
            int rowTo);

    /// Writes `out[t][r]` for every token t and the rows r of tiles `[tileFrom, tileTo)`, of which
    /// only those below `rows` exist.
    ///
    /// @param x F32 rows, or what [#prepareActivations] wrote
    /// @param xStride bytes from row to row of `x`
    /// @param weight the first tile of the segment
    /// @param outStride elements from row to row of `out`
    void multiply(
            WeightFormat format,
            long x,
            long xStride,
            int tokens,
            int columns,
            int skipped,
            long weight,
            int rows,
            int tileFrom,
            int tileTo,
            long out,
            long outStride);

    /// A segment of stored rows to pack, in memory that does not move.
    ///
    /// @param data address, in the first stored row, of the block that holds the first column
    /// @param rowBytes bytes from stored row to stored row
    /// @param rowIndices address of `rows` ints: the stored row of each output
    /// @param skipped columns of that block that precede the first one
    record WeightSource(
            TensorType type,
            long data,
            long rowBytes,
            long rowIndices,
            int rows,
            int columns,
            int skipped) {}
}
