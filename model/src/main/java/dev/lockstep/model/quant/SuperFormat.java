// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import dev.lockstep.checkpoint.TensorType;
import java.nio.ByteBuffer;

/// Blocks of 256 columns whose sub-blocks have small integers as scales, and in Q2_K, Q4_K and Q5_K
/// as minimums; one or two f16 factors give them their unit.
///
/// @param type one of Q2_K, Q3_K, Q4_K, Q5_K, Q6_K
record SuperFormat(TensorType type) implements BlockFormat {
    private static final int COLUMNS = 256;
    private static final int[] NONE = {};

    /// How a type divides a block.
    ///
    /// @param width columns of a sub-block
    /// @param high the largest code
    /// @param low the smallest code; 0 for types with minimums
    /// @param scales the largest integer of a scale, in types without minimums also its sign
    private record Shape(int width, int low, int high, int scales) {
        boolean hasMinimum() {
            return low == 0;
        }
    }

    private static Shape shape(TensorType type) {
        return switch (type) {
            case Q2_K -> new Shape(16, 0, 3, 15);
            case Q3_K -> new Shape(16, -4, 3, 31);
            case Q4_K -> new Shape(32, 0, 15, 63);
            case Q5_K -> new Shape(32, 0, 31, 63);
            case Q6_K -> new Shape(16, -32, 31, 127);
            default -> throw new IllegalArgumentException(type + " has no blocks of 256");
        };
    }

    SuperFormat {
        shape(type);
    }

    @Override
    public int columns() {
        return COLUMNS;
    }

    @Override
    public int blockBytes() {
        return type.blockBytes();
    }

    @Override
    public QuantizedBlock fit(float[] row, int from, float[] importance) {
        Shape shape = shape(type);
        int width = shape.width;
        int count = COLUMNS / width;
        double[] scales = new double[count];
        double[] minimums = new double[count];
        float[] weights = new float[width];
        var fit = new ScaleFit();
        for (int sub = 0; sub < count; sub++) {
            int first = from + sub * width;
            System.arraycopy(importance, first, weights, 0, width);
            if (shape.hasMinimum()) {
                fit.withMinimum(row, first, width, weights, shape.high);
            } else {
                fit.symmetric(row, first, width, weights, shape.low, shape.high);
            }
            scales[sub] = fit.scale();
            minimums[sub] = -fit.minimum();
        }
        int[] scaleCodes = new int[count];
        int[] minimumCodes = shape.hasMinimum() ? new int[count] : NONE;
        short scale = integers(scales, shape.scales, scaleCodes);
        short[] factors;
        if (shape.hasMinimum()) {
            factors = new short[] {scale, integers(minimums, shape.scales, minimumCodes)};
        } else {
            factors = new short[] {scale};
        }
        float[] scaleValues = new float[count];
        float[] minimumValues = new float[count];
        for (int sub = 0; sub < count; sub++) {
            scaleValues[sub] = Float.float16ToFloat(factors[0]) * scaleCodes[sub];
            if (shape.hasMinimum()) {
                minimumValues[sub] = -(Float.float16ToFloat(factors[1]) * minimumCodes[sub]);
            }
        }
        return new QuantizedBlock(
                width,
                shape.low,
                shape.high,
                scaleValues,
                minimumValues,
                scaleCodes,
                minimumCodes,
                factors,
                new int[COLUMNS]);
    }

    /// Rounds values to integers of magnitude at most `largest` in units of the returned f16.
    private static short integers(double[] values, int largest, int[] codes) {
        double extreme = 0;
        for (double value : values) {
            extreme = Math.max(extreme, Math.abs(value));
        }
        short unit = Float.floatToFloat16((float) (extreme / largest));
        double size = Float.float16ToFloat(unit);
        for (int i = 0; i < codes.length; i++) {
            codes[i] =
                    size == 0
                            ? 0
                            : (int) Math.clamp(Math.rint(values[i] / size), -largest, largest);
        }
        return unit;
    }

    @Override
    public void write(QuantizedBlock block, ByteBuffer out) {
        int start = out.position();
        byte[] bytes = new byte[type.blockBytes()];
        int[] codes = new int[COLUMNS];
        for (int c = 0; c < COLUMNS; c++) {
            codes[c] = block.codes()[c] - block.low();
        }
        switch (type) {
            case Q2_K -> {
                for (int i = 0; i < 16; i++) {
                    bytes[i] = (byte) (block.scaleCodes()[i] | block.minimumCodes()[i] << 4);
                }
                planes(codes, 2, 0, bytes, 16);
            }
            case Q3_K -> {
                planes(codes, 1, 2, bytes, 0);
                planes(codes, 2, 0, bytes, 32);
                signedSixBits(block.scaleCodes(), bytes, 96);
            }
            case Q4_K -> {
                sixBits(block, bytes, 4);
                planes(codes, 4, 0, bytes, 16);
            }
            case Q5_K -> {
                sixBits(block, bytes, 4);
                planes(codes, 1, 4, bytes, 16);
                planes(codes, 4, 0, bytes, 48);
            }
            default -> sixBitCodes(codes, block.scaleCodes(), bytes);
        }
        out.put(bytes);
        boolean factorsFirst = type == TensorType.Q4_K || type == TensorType.Q5_K;
        int factors = factorsFirst ? start : start + bytes.length - 2 * block.factors().length;
        for (int i = 0; i < block.factors().length; i++) {
            out.putShort(factors + 2 * i, block.factors()[i]);
        }
    }

    /// Stores some bits of each code. A byte holds those of columns c, c + 32, c + 64 and so on, as
    /// many as it has room for; then 32 bytes follow for the next ones.
    ///
    /// @param bits of a code to be stored
    /// @param shift the first of them
    private static void planes(int[] codes, int bits, int shift, byte[] bytes, int at) {
        int perByte = 8 / bits;
        for (int c = 0; c < COLUMNS; c++) {
            int group = c / 32;
            int value = codes[c] >> shift & ((1 << bits) - 1);
            bytes[at + group / perByte * 32 + c % 32] |= (byte) (value << (group % perByte * bits));
        }
    }

    /// Stores codes of 6 bits: in each half of the block, columns c and c + 64 share a byte of low
    /// bits, and columns c, c + 32, c + 64 and c + 96 one of high bits.
    private static void sixBitCodes(int[] codes, int[] scales, byte[] bytes) {
        for (int c = 0; c < COLUMNS; c++) {
            int half = c / 128;
            int within = c % 128;
            bytes[half * 64 + within % 64] |= (byte) ((codes[c] & 15) << (within / 64 * 4));
            bytes[128 + half * 32 + within % 32] |= (byte) ((codes[c] >> 4) << (within / 32 * 2));
        }
        for (int i = 0; i < 16; i++) {
            bytes[192 + i] = (byte) scales[i];
        }
    }

    /// Stores scales and minimums of 6 bits in 12 bytes.
    private static void sixBits(QuantizedBlock block, byte[] bytes, int at) {
        for (int i = 0; i < 4; i++) {
            int scale = block.scaleCodes()[i];
            int minimum = block.minimumCodes()[i];
            int laterScale = block.scaleCodes()[i + 4];
            int laterMinimum = block.minimumCodes()[i + 4];
            bytes[at + i] = (byte) (scale | laterScale >> 4 << 6);
            bytes[at + 4 + i] = (byte) (minimum | laterMinimum >> 4 << 6);
            bytes[at + 8 + i] = (byte) ((laterScale & 15) | (laterMinimum & 15) << 4);
        }
    }

    /// Stores 16 scales of 6 bits, offset by 32: 8 bytes of low bits and 4 of high bits.
    private static void signedSixBits(int[] scales, byte[] bytes, int at) {
        for (int i = 0; i < 16; i++) {
            int scale = scales[i] + 32;
            bytes[at + i % 8] |= (byte) ((scale & 15) << (i / 8 * 4));
            bytes[at + 8 + i % 4] |= (byte) ((scale >> 4) << (i / 4 * 2));
        }
    }
}
