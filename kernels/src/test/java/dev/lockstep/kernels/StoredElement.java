// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import dev.lockstep.checkpoint.GridBlock;
import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// One element of a quantized block, decoded directly: w = scale · subScale · q − min · subMin.
///
/// @param scale d of the block
/// @param subScale integer scale of the element's sub-block or half sub-block; 1 where there is
///   none
/// @param min minimum scale of the block, or its negated minimum
public record StoredElement(int q, float scale, int subScale, float min, int subMin) {
    private static final int[] IQ4_NL = {
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
    };

    private static final int[] E2M1_DOUBLED = {0, 1, 2, 3, 4, 6, 8, 12};

    /// Decodes element `i` of a block.
    static StoredElement of(TensorType type, MemorySegment block, int i) {
        return switch (type) {
            case Q4_0 -> plain(block, nibble(block, 2, i) - 8, 0);
            case Q4_1 -> plain(block, nibble(block, 4, i), -half(block, 2));
            case Q5_0 -> plain(block, (nibble(block, 6, i) | fifth(block, 2, i)) - 16, 0);
            case Q5_1 -> plain(block, nibble(block, 8, i) | fifth(block, 4, i), -half(block, 2));
            case Q8_0 -> plain(block, (byte) at(block, 2 + i), 0);
            case IQ4_NL -> plain(block, IQ4_NL[nibble(block, 2, i)], 0);
            case MXFP4 -> {
                float scale = (float) Math.pow(2, at(block, 0) - 128);
                yield new StoredElement(signed(E2M1_DOUBLED, nibble(block, 1, i)), scale, 1, 0, 0);
            }
            case Q4_OFFSET -> plain(block, nibble(block, 4 + i / 32 * 16, i % 32), -half(block, 2));
            case Q4_ZERO, Q4_ZERO_32, Q4_ZERO_128 ->
                    plain(
                            block,
                            nibble(block, 4 + i / 32 * 16, i % 32),
                            half(block, 0) * half(block, 2));
            case Q8_ZERO, Q8_ZERO_32 ->
                    plain(block, at(block, 4 + i), half(block, 0) * half(block, 2));
            case Q8_OFFSET -> plain(block, at(block, 4 + i), -half(block, 2));
            case IQ4_XS -> {
                int low = at(block, 4 + i / 64) >> (i / 32 % 2 * 4) & 15;
                int high = at(block, 2 + i / 128) >> (i / 32 % 4 * 2) & 3;
                int q = IQ4_NL[nibble(block, 8 + i / 32 * 16, i % 32)];
                yield new StoredElement(q, half(block, 0), low + 16 * high - 32, 0, 0);
            }
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0 -> {
                var grid = new GridBlock(type);
                grid.read(block, 0);
                yield new StoredElement(grid.value(i), grid.factor(), grid.subScale(i), 0, 0);
            }
            case Q2_K -> {
                int both = at(block, i / 16);
                yield new StoredElement(
                        twoBits(block, 16, i),
                        half(block, 80),
                        both & 15,
                        half(block, 82),
                        both >> 4);
            }
            case Q3_K -> {
                int q = twoBits(block, 32, i) - (bit(block, 8 * (i % 32) + i / 32) == 0 ? 4 : 0);
                yield new StoredElement(q, half(block, 108), q3Scale(block, i / 16), 0, 0);
            }
            case Q4_K ->
                    sixBit(block, at(block, 16 + i / 64 * 32 + i % 32) >> (i / 32 % 2 * 4) & 15, i);
            case Q5_K ->
                    sixBit(
                            block,
                            (at(block, 48 + i / 64 * 32 + i % 32) >> (i / 32 % 2 * 4) & 15)
                                    + 16 * bit(block, 8 * (16 + i % 32) + i / 32),
                            i);
            case Q6_K -> {
                int low = at(block, i / 128 * 64 + i % 64) >> (i % 128 / 64 * 4) & 15;
                int high = at(block, 128 + i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3;
                yield new StoredElement(
                        low + 16 * high - 32,
                        half(block, 208),
                        (byte) at(block, 192 + i / 16),
                        0,
                        0);
            }
            case F32, F16, BF16, E4M3, NVFP4, NF4, FP4 ->
                    throw new IllegalArgumentException(type + " has no integers");
        };
    }

    double value() {
        return (double) scale * subScale * q - (double) min * subMin;
    }

    private static StoredElement plain(MemorySegment block, int q, float min) {
        return new StoredElement(q, half(block, 0), 1, min, 1);
    }

    private static int signed(int[] magnitudes, int code) {
        return code < 8 ? magnitudes[code] : -magnitudes[code - 8];
    }

    /// Returns a code of 4 bits, the low nibbles first.
    private static int nibble(MemorySegment block, int from, int i) {
        int both = at(block, from + i % 16);
        return i < 16 ? both & 15 : both >> 4;
    }

    private static int fifth(MemorySegment block, int from, int i) {
        return 16 * bit(block, 8 * from + i);
    }

    /// Returns a code of 2 bits; elements 32 apart, of 128, share a byte.
    private static int twoBits(MemorySegment block, int from, int i) {
        return at(block, from + i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2) & 3;
    }

    private static int q3Scale(MemorySegment block, int index) {
        int low = at(block, 96 + index % 8) >> (index / 8 * 4) & 15;
        int high = at(block, 104 + index % 4) >> (index / 4 * 2) & 3;
        return low + 16 * high - 32;
    }

    private static StoredElement sixBit(MemorySegment block, int q, int i) {
        int subBlock = i / 32;
        int scale;
        int min;
        if (subBlock < 4) {
            scale = at(block, 4 + subBlock) % 64;
            min = at(block, 8 + subBlock) % 64;
        } else {
            scale = at(block, 8 + subBlock) % 16 + at(block, subBlock) / 64 * 16;
            min = at(block, 8 + subBlock) / 16 + at(block, 4 + subBlock) / 64 * 16;
        }
        return new StoredElement(q, half(block, 0), scale, half(block, 2), min);
    }

    private static int bit(MemorySegment block, int index) {
        return at(block, index / 8) >> index % 8 & 1;
    }

    private static int at(MemorySegment block, int index) {
        return Byte.toUnsignedInt(block.get(ValueLayout.JAVA_BYTE, index));
    }

    private static float half(MemorySegment block, int at) {
        return Float.float16ToFloat(block.get(ValueLayout.JAVA_SHORT_UNALIGNED, at));
    }
}
