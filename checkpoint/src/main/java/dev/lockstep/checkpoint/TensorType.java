// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// How the values of a weight are stored: plain floats, or blocks that share scales.
///
/// A stored row is a whole number of blocks; everything is little-endian. A row can be cut at every
/// multiple of [#unit]: blocks of 256 consist of 8 sub-blocks of 32, whose scales stand side by
/// side. w = d·q or d·q + m where a block has one scale d (f16) and minimum m (f16); w = d·s·q or
/// d·s·q − e·m where each sub-block, or each half of one, has small integers s and m besides the
/// block's d and e.
///
/// Types that no other file has are made when a model is read. Folders that are cut for ranks store
/// their blocks: whoever changes such a layout raises `CutLayout.FORMAT`.
public enum TensorType {
    F32(1, 4),
    F16(1, 2),
    BF16(1, 2),
    /// 4-bit codes, q = code − 8.
    Q4_0(32, 18),
    /// 4-bit codes, with a minimum.
    Q4_1(32, 20),
    /// 5-bit codes, q = code − 16.
    Q5_0(32, 22),
    /// 5-bit codes, with a minimum.
    Q5_1(32, 24),
    /// Signed bytes q.
    Q8_0(32, 34),
    /// 4-bit codes that choose q from a table of 16.
    IQ4_NL(32, 18),
    /// Floats of 4 bits, E2M1, with a power of two as their scale.
    MXFP4(32, 17),
    /// 2-bit codes; scale and minimum of 4 bits per 16.
    Q2_K(256, 84),
    /// 3-bit codes, q = code − 4; scale of 6 bits, signed, per 16.
    Q3_K(256, 110),
    /// 4-bit codes; scale and minimum of 6 bits per 32.
    Q4_K(256, 144),
    /// 5-bit codes; scale and minimum of 6 bits per 32.
    Q5_K(256, 176),
    /// 6-bit codes, q = code − 32; scale of 8 bits, signed, per 16.
    Q6_K(256, 210),
    /// Codes of IQ4_NL; scale of 6 bits, signed, per 32.
    IQ4_XS(256, 136),
    /// Indices of 11 bits into a grid of 8 weights −1, 0 or 1, all shifted by an eighth up or down;
    /// scale of 3 bits per 32. Of this and the types below see [GridBlock].
    IQ1_S(256, 50),
    /// As IQ1_S, a shift for 8 weights and a scale for 16.
    IQ1_M(256, 56),
    /// Indices of 8 bits into a grid of 8 magnitudes, with signs; scale of 4 bits per 32.
    IQ2_XXS(256, 66),
    /// Indices of 9 bits; scale of 4 bits per 16.
    IQ2_XS(256, 74),
    /// Indices of 10 bits; scale of 4 bits per 16.
    IQ2_S(256, 82),
    /// Indices of 8 bits into a grid of 4 magnitudes, with signs; scale of 4 bits per 32.
    IQ3_XXS(256, 98),
    /// Indices of 9 bits; scale of 4 bits per 32.
    IQ3_S(256, 110),
    /// Ternary digits, five in a byte.
    TQ1_0(256, 54),
    /// Ternary digits of 2 bits.
    TQ2_0(256, 66),
    /// In cut folders alone: matrices of FP8 are decoded to it. Floats of 8 bits q (OCP FP8, E4M3)
    /// after an f32 scale d; w = d·q, rounded to f32 and then to bf16.
    E4M3(64, 68),
    /// In cut folders alone: MLX of 4 bits is repacked to it. 4-bit codes q, an f16 scale d and an
    /// f16 offset m; w = d·q + m.
    Q4_OFFSET(64, 36),
    /// In cut folders alone: integers of 4 bits with a zero point are repacked to it. 4-bit codes
    /// q, an f16 scale d and a zero point z, an integer in f16; w = d·(q − z).
    Q4_ZERO(64, 36),
    /// In cut folders alone: MLX of 8 bits is repacked to it. As Q4_OFFSET with codes of 8 bits,
    /// unsigned.
    Q8_OFFSET(32, 36),
    /// In cut folders alone: matrices of NVFP4 are repacked to it. Floats of 4 bits q (OCP, E2M1),
    /// a scale s in E4M3 per 16 and an f32 factor f; w = (s·f)·q, rounded to f32 twice and then to
    /// bf16. A negative factor divides: w = (s / −f)·q.
    NVFP4(128, 76),
    /// In cut folders alone: integers of 4 bits in groups of 32 are repacked to it. As Q4_ZERO.
    Q4_ZERO_32(32, 20),
    /// In cut folders alone: integers of 8 bits with a zero point are repacked to it. As Q4_ZERO
    /// with codes of 8 bits, unsigned.
    Q8_ZERO(64, 68),
    /// In cut folders alone: integers of 8 bits in groups of 32 are repacked to it. As Q8_ZERO.
    Q8_ZERO_32(32, 36),
    /// In cut folders alone: matrices of NF4 are repacked to it. Codes of 4 bits that choose q from
    /// [CodeValues#normal4], two in a byte, the first in the lower half, after an f32 scale d; w =
    /// d·q, rounded to f32 and then to bf16.
    NF4(64, 36),
    /// In cut folders alone: matrices of FP4 of bitsandbytes are repacked to it. As NF4 with the
    /// values of [CodeValues#float4].
    FP4(64, 36),
    /// In cut folders alone: integers of 4 bits in groups larger than 128 are repacked to it, so
    /// that their scales take a sixteenth of their codes. As Q4_ZERO.
    Q4_ZERO_128(128, 68);

    private static final int QUANTIZED_UNIT = 32;

    private final int blockSize;
    private final int blockBytes;

    TensorType(int blockSize, int blockBytes) {
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
    }

    /// Values in one block; 1 for plain floats.
    public int blockSize() {
        return blockSize;
    }

    public int blockBytes() {
        return blockBytes;
    }

    /// True for types whose values share scales.
    public boolean isQuantized() {
        return blockSize > 1;
    }

    /// True for types whose weights multiply activations of int8 on a CPU. Those of the other types
    /// multiply as the plain floats that their values are.
    public boolean multipliesInt8() {
        return isQuantized() && this != E4M3 && this != NVFP4 && this != NF4 && this != FP4;
    }

    /// True for types whose blocks a [GridBlock] reads.
    public boolean hasGridBlocks() {
        return switch (this) {
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0 -> true;
            default -> false;
        };
    }

    /// A row can be cut at multiples of this number of values: 1 for plain types, 32 for all
    /// others.
    public int unit() {
        return Math.min(blockSize, QUANTIZED_UNIT);
    }

    /// Bytes of `columns` consecutive values of a row; `columns` must be whole blocks.
    public long rowBytes(long columns) {
        if (columns < 0 || columns % blockSize != 0) {
            throw new IllegalArgumentException(
                    "%d values of %s are not a whole number of blocks of %d"
                            .formatted(columns, this, blockSize));
        }
        return Math.multiplyExact(columns / blockSize, (long) blockBytes);
    }
}
