package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.WeightType;

/// One thread's share of packing weights, of preparing activations and of multiplying them.
///
/// Weights are packed in tiles of [#TILE_ROWS] output rows, so that a vector lane is an output and
/// no sum crosses lanes; rows missing in the last tile are zero. What a tile looks like inside, and
/// what prepared activations look like, belongs to the implementation.
///
/// Every sum runs over ascending columns, one chain per output, whatever the number of tokens:
/// - F32: `acc = fma(w, x, acc)`.
/// - BF16: activations are rounded to bf16, half to even. With the bf16 instruction pairs are added
///   as it does; without, `acc = fma(w, x, acc)` in f32.
/// - Quantized, blocks of 32: activations have scale `da = absmax / 127` (zero below the least
///   normal float) and `q = round-half-even(x · (127 / absmax))`. Per block `acc = fma(dw · da,
///   (float) Σ w·q, acc)` with an exact integer sum, for Q4_1 then `acc = fma(m, da · (float) Σ q,
///   acc)`.
///
/// F32 and quantized results are equal bit for bit in every implementation.
interface MatmulOps {
    int TILE_ROWS = 16;

    /// Bytes of one packed tile, a multiple of 64.
    long tileBytes(WeightFormat format, int columns);

    /// Packs tiles `[tileFrom, tileTo)` of one segment.
    void pack(WeightSource source, WeightFormat format, long target, int tileFrom, int tileTo);

    /// Bytes of one row of activations prepared for `format`.
    long activationBytes(WeightFormat format, int columns);

    /// Prepares rows `[rowFrom, rowTo)` of `x` for BF16 or a quantized format.
    ///
    /// @param xStride elements from row to row
    /// @param rowBytes from row to row of `target`
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
            long weight,
            int rows,
            int tileFrom,
            int tileTo,
            long out,
            long outStride);

    /// A segment of stored rows to pack, in memory that stays where it is.
    ///
    /// @param data address of the first stored row, at the first column wanted
    /// @param rowBytes from stored row to stored row
    /// @param rowIndices address of `rows` ints: which stored row becomes which output
    record WeightSource(
            WeightType type, long data, long rowBytes, long rowIndices, int rows, int columns) {}
}
