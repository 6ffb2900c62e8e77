// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.half;

import dev.lockstep.checkpoint.GridBlock;
import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// A sub-block: 32 columns of a stored row, decoded; the twin of `stored.h` and `stored_grid.h`.
/// One instance is reused for many reads of memory that does not change.
///
/// w = factor · subScale · value − minScale · subMin; columns 0 … 15 and 16 … 31 have their own
/// sub-scales and sub-minimums.
final class StoredSubBlock {
    static final int COLUMNS = 32;

    private static final int[] IQ4_NL = {
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
    };

    /// Twice the values of MXFP4.
    private static final int[] MXFP4 = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

    private static final int[] NONE = {};

    /// e of types without minimums: −(e · m) is 0, where −0 would leave its sign to a weight of −0.
    private static final float NO_MINIMUM = -0f;

    private final TensorType type;
    private final int subBlocks;
    private final int[] values = new int[COLUMNS];
    private final int[] table;
    private final int[] subScales = new int[2];
    private final int[] subMin = new int[2];
    private final Optional<GridBlock> grid;

    /// The address of the block that the grid's was read from.
    private long gridAt;

    private float factor;
    private float minScale = NO_MINIMUM;

    StoredSubBlock(TensorType type) {
        this.type = type;
        subBlocks = type.blockSize() / COLUMNS;
        table = table(type);
        grid = type.hasGridBlocks() ? Optional.of(new GridBlock(type)) : Optional.empty();
    }

    /// Returns the values that the codes of a type number; none if codes are values.
    static int[] table(TensorType type) {
        return switch (type) {
            case IQ4_NL, IQ4_XS -> IQ4_NL;
            case MXFP4 -> MXFP4;
            default -> NONE;
        };
    }

    /// Reads columns `[32·subBlock, 32·subBlock + 32)`, counted from the start of the block at
    /// `row`.
    void read(long row, int subBlock) {
        long block = row + (long) (subBlock / subBlocks) * type.blockBytes();
        int inBlock = subBlock % subBlocks;
        switch (type) {
            case Q4_0 -> {
                oneScale(block, NO_MINIMUM);
                nibbles(block + 2, -8);
            }
            case IQ4_NL -> {
                oneScale(block, NO_MINIMUM);
                nibbles(block + 2, 0);
            }
            case MXFP4 -> {
                oneScale(halfOfE8m0(unsigned(block)), NO_MINIMUM);
                nibbles(block + 1, 0);
            }
            case IQ4_XS -> {
                readIq4Xs(block, inBlock);
            }
            case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0 -> {
                readGrid(grid.orElseThrow(), block, inBlock);
            }
            case Q4_1 -> {
                oneScale(block, -half(block + 2));
                nibbles(block + 4, 0);
            }
            case Q5_0 -> {
                oneScale(block, NO_MINIMUM);
                nibbles(block + 6, -16);
                addFifthBits(MEMORY.get(INT, block + 2));
            }
            case Q5_1 -> {
                oneScale(block, -half(block + 2));
                nibbles(block + 8, 0);
                addFifthBits(MEMORY.get(INT, block + 4));
            }
            case Q8_0 -> {
                oneScale(block, NO_MINIMUM);
                for (int c = 0; c < COLUMNS; c++) {
                    values[c] = (byte) unsigned(block + 2 + c);
                }
            }
            case Q4_OFFSET -> {
                oneScale(block, -half(block + 2));
                nibbles(block + 4 + 16L * inBlock, 0);
            }
            case Q4_ZERO, Q4_ZERO_32, Q4_ZERO_128 -> {
                oneScale(block, half(block) * half(block + 2));
                nibbles(block + 4 + 16L * inBlock, 0);
            }
            case Q8_OFFSET -> {
                oneScale(block, -half(block + 2));
                for (int c = 0; c < COLUMNS; c++) {
                    values[c] = unsigned(block + 4 + c);
                }
            }
            case Q8_ZERO, Q8_ZERO_32 -> {
                oneScale(block, half(block) * half(block + 2));
                for (int c = 0; c < COLUMNS; c++) {
                    values[c] = unsigned(block + 4 + 32L * inBlock + c);
                }
            }
            case Q2_K -> readQ2(block, inBlock);
            case Q3_K -> readQ3(block, inBlock);
            case Q4_K -> {
                sixBits(block, inBlock);
                codes(block + 16 + inBlock / 2 * 32L, inBlock % 2 * 4, 15, 0);
            }
            case Q5_K -> {
                sixBits(block, inBlock);
                codes(block + 48 + inBlock / 2 * 32L, inBlock % 2 * 4, 15, 0);
                addBits(block + 16, inBlock, 1, 4);
            }
            case Q6_K -> readQ6(block, inBlock);
            case F32, F16, BF16, E4M3, NVFP4, NF4, FP4 ->
                    throw new IllegalArgumentException(type + " has no integers");
        }
    }

    /// Returns q of a column.
    int value(int column) {
        return table.length == 0 ? values[column] : table[values[column]];
    }

    /// Returns the code of a column: the number of q in the table of the type, or q.
    int code(int column) {
        return values[column];
    }

    /// Returns d of the block.
    float factor() {
        return factor;
    }

    /// Returns what scales the minimum of the block: e, or −m.
    float minScale() {
        return minScale;
    }

    int subScale(int half) {
        return subScales[half];
    }

    int subMin(int half) {
        return subMin[half];
    }

    float scale(int half) {
        return factor * subScales[half];
    }

    float minimum(int half) {
        return -(minScale * subMin[half]);
    }

    private void oneScale(long block, float min) {
        oneScale(half(block), min);
    }

    private void oneScale(float scale, float min) {
        factor = scale;
        minScale = min;
        subScales[0] = 1;
        subScales[1] = 1;
        subMin[0] = 1;
        subMin[1] = 1;
    }

    /// Reads codes of 4 bits; columns c and c + 16 share a byte.
    private void nibbles(long at, int offset) {
        for (int c = 0; c < COLUMNS / 2; c++) {
            int both = unsigned(at + c);
            values[c] = (both & 15) + offset;
            values[c + COLUMNS / 2] = (both >> 4) + offset;
        }
    }

    private void addFifthBits(int bits) {
        for (int c = 0; c < COLUMNS; c++) {
            values[c] += (bits >>> c & 1) << 4;
        }
    }

    /// Reads codes from a byte per column, in which other sub-blocks have other bits.
    private void codes(long at, int bit, int mask, int offset) {
        for (int c = 0; c < COLUMNS; c++) {
            values[c] = (unsigned(at + c) >> bit & mask) + offset;
        }
    }

    private void addBits(long at, int bit, int mask, int to) {
        for (int c = 0; c < COLUMNS; c++) {
            values[c] += (unsigned(at + c) >> bit & mask) << to;
        }
    }

    /// Returns half of 2^(exponent − 127).
    private static float halfOfE8m0(int exponent) {
        return Float.intBitsToFloat(exponent < 2 ? 0x00200000 << exponent : (exponent - 1) << 23);
    }

    private void readIq4Xs(long block, int subBlock) {
        factor = half(block);
        int low = unsigned(block + 4 + subBlock / 2) >> (subBlock % 2 * 4) & 15;
        int high = unsigned(block + 2 + subBlock / 4) >> (subBlock % 4 * 2) & 3;
        subScales[0] = (low | (high << 4)) - 32;
        subScales[1] = subScales[0];
        nibbles(block + 8 + 16L * subBlock, 0);
    }

    private void readGrid(GridBlock own, long block, int subBlock) {
        if (block != gridAt) {
            own.read(MEMORY, block);
            gridAt = block;
        }
        factor = own.factor();
        for (int h = 0; h < 2; h++) {
            subScales[h] = own.subScale(COLUMNS * subBlock + h * COLUMNS / 2);
        }
        for (int c = 0; c < COLUMNS; c++) {
            values[c] = own.value(COLUMNS * subBlock + c);
        }
    }

    private void readQ2(long block, int subBlock) {
        factor = half(block + 80);
        minScale = half(block + 82);
        for (int h = 0; h < 2; h++) {
            int both = unsigned(block + 2L * subBlock + h);
            subScales[h] = both & 15;
            subMin[h] = both >> 4;
        }
        codes(block + 16 + subBlock / 4 * 32L, subBlock % 4 * 2, 3, 0);
    }

    private void readQ3(long block, int subBlock) {
        factor = half(block + 108);
        long packed = block + 96;
        for (int h = 0; h < 2; h++) {
            int index = 2 * subBlock + h;
            int low = unsigned(packed + index % 8) >> (index / 8 * 4) & 15;
            int high = unsigned(packed + 8 + index % 4) >> (index / 4 * 2) & 3;
            subScales[h] = (low | (high << 4)) - 32;
        }
        codes(block + 32 + subBlock / 4 * 32L, subBlock % 4 * 2, 3, -4);
        addBits(block, subBlock, 1, 2);
    }

    private void readQ6(long block, int subBlock) {
        factor = half(block + 208);
        for (int h = 0; h < 2; h++) {
            subScales[h] = (byte) unsigned(block + 192 + 2L * subBlock + h);
        }
        codes(block + subBlock / 4 * 64L + subBlock % 2 * 32L, subBlock % 4 / 2 * 4, 15, -32);
        addBits(block + 128 + subBlock / 4 * 32L, subBlock % 4 * 2, 3, 4);
    }

    /// Reads the scale and the minimum of a sub-block, 6 bits each, from the 12 bytes after d and
    /// e.
    private void sixBits(long block, int subBlock) {
        factor = half(block);
        minScale = half(block + 2);
        long packed = block + 4;
        int scale = unsigned(packed + subBlock % 4) & 63;
        int min = unsigned(packed + subBlock % 4 + 4) & 63;
        if (subBlock >= 4) {
            int low = unsigned(packed + subBlock + 4);
            scale = (low & 15) | unsigned(packed + subBlock - 4) >> 6 << 4;
            min = low >> 4 | unsigned(packed + subBlock) >> 6 << 4;
        }
        subScales[0] = scale;
        subScales[1] = scale;
        subMin[0] = min;
        subMin[1] = min;
    }

    private static int unsigned(long at) {
        return Byte.toUnsignedInt(MEMORY.get(ValueLayout.JAVA_BYTE, at));
    }
}
