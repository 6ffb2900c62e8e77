// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/// A block of 256 weights w = d·s·q·unit of GGUF's types of the fewest bits, whose blocks are
/// indices into a grid, or ternary digits. One instance is reused for many blocks.
public final class GridBlock {
    public static final int SIZE = 256;

    private static final int[] IQ2_MAGNITUDES = {8, 25, 43};
    private static final int[] IQ3_MAGNITUDES = {4, 12, 20, 28, 36, 44, 52, 62};
    private static final int[] POWERS_OF_3 = {1, 3, 9, 27, 81};

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final TensorType type;

    /// d, as f16.
    private short scale;

    /// s of each 16 weights.
    private final byte[] scales = new byte[SIZE / 16];

    /// q
    private final byte[] values = new byte[SIZE];

    /// @param type one that has grid blocks
    public GridBlock(TensorType type) {
        if (!type.hasGridBlocks()) {
            throw new IllegalArgumentException(type + " has no blocks of a grid");
        }
        this.type = type;
    }

    /// Reads the block that begins at `at`.
    public void read(MemorySegment data, long at) {
        MemorySegment from = data.asSlice(at, type.blockBytes());
        switch (type) {
            case IQ1_S -> iq1S(from);
            case IQ1_M -> iq1M(from);
            case IQ2_XXS -> iq2Xxs(from);
            case IQ2_XS -> iq2Xs(from);
            case IQ2_S -> iq2S(from);
            case IQ3_XXS -> iq3Xxs(from);
            case IQ3_S -> iq3S(from);
            case TQ1_0 -> tq1(from);
            case TQ2_0 -> tq2(from);
            default -> throw new IllegalStateException(type + " has no blocks of a grid");
        }
    }

    /// Returns d · unit, a float of 11 bits.
    public float factor() {
        float unit =
                switch (type) {
                    case IQ3_S, TQ1_0, TQ2_0 -> 1;
                    case IQ3_XXS -> 0.25f;
                    default -> 0.125f;
                };
        return Float.float16ToFloat(scale) * unit;
    }

    /// Returns s of a weight: odd, and that of all of its 16.
    public int subScale(int index) {
        return scales[index / 16];
    }

    /// Returns q of a weight.
    public int value(int index) {
        return values[index];
    }

    private void setScale(short half) {
        scale = half;
    }

    private void setScale(int group, int own) {
        scales[group] = (byte) own;
    }

    private void setScales(int own) {
        Arrays.fill(scales, (byte) own);
    }

    private void set(int index, int value) {
        values[index] = (byte) value;
    }

    /// `d, 32 indices, 8 shorts: high bits of 4 indices, scale, sign of the shift by 1/8`.
    private void iq1S(MemorySegment from) {
        setScale(from.get(SHORT, 0));
        for (int sub = 0; sub < 8; sub++) {
            int high = twoBytes(from, 34 + 2 * sub);
            setBoth(sub, 2 * ((high >> 12) & 7) + 1);
            int shift = (high & 0x8000) == 0 ? 1 : -1;
            for (int l = 0; l < 4; l++) {
                int index = at(from, 2 + 4 * sub + l) | (((high >> (3 * l)) & 7) << 8);
                shifted(32 * sub + 8 * l, index, shift);
            }
        }
    }

    /// `32 indices, 16 bytes: high bits and shifts of 2 indices, 4 shorts: scales of 16, part of
    /// d`.
    private void iq1M(MemorySegment from) {
        int scale = 0;
        for (int i = 0; i < 4; i++) {
            int word = twoBytes(from, 48 + 2 * i);
            scale |= (word >> 12) << (4 * i);
            for (int j = 0; j < 4; j++) {
                setScale(4 * i + j, 2 * ((word >> (3 * j)) & 7) + 1);
            }
        }
        setScale((short) scale);
        for (int group = 0; group < 32; group++) {
            int high = at(from, 32 + group / 2) >> (group % 2 * 4);
            int index = at(from, group) | ((high & 7) << 8);
            shifted(8 * group, index, (high & 8) == 0 ? 1 : -1);
        }
    }

    /// Sets 8 weights in eighths: −1, 0 or 1 and a shift by an eighth.
    private void shifted(int first, int index, int shift) {
        for (int j = 0; j < 8; j++) {
            set(first + j, 8 * (GgufGrid.IQ1_S.at(index, j) - 1) + shift);
        }
    }

    /// `d, 8 of: 4 indices, 4 signs of 7 bits, scale of 4 bits`.
    private void iq2Xxs(MemorySegment from) {
        setScale(from.get(SHORT, 0));
        for (int sub = 0; sub < 8; sub++) {
            int rest = from.get(INT, 6 + 8 * sub);
            setBoth(sub, 2 * (rest >>> 28) + 1);
            for (int l = 0; l < 4; l++) {
                int index = at(from, 2 + 8 * sub + l);
                signed8(32 * sub + 8 * l, GgufGrid.IQ2_XXS, index, signs(rest >> (7 * l)));
            }
        }
    }

    /// `d, 32 shorts: index of 9 bits, signs of 7, 8 bytes of 2 scales`.
    private void iq2Xs(MemorySegment from) {
        setScale(from.get(SHORT, 0));
        nibbleScales(from, 66);
        for (int group = 0; group < 32; group++) {
            int both = twoBytes(from, 2 + 2 * group);
            signed8(8 * group, GgufGrid.IQ2_XS, both & 511, signs(both >> 9));
        }
    }

    /// `d, 32 indices, 32 signs, 8 bytes: high bits of 4 indices, 8 bytes of 2 scales`.
    private void iq2S(MemorySegment from) {
        setScale(from.get(SHORT, 0));
        nibbleScales(from, 74);
        for (int group = 0; group < 32; group++) {
            int high = (at(from, 66 + group / 4) >> (group % 4 * 2)) & 3;
            int index = at(from, 2 + group) | (high << 8);
            signed8(8 * group, GgufGrid.IQ2_S, index, at(from, 34 + group));
        }
    }

    private void nibbleScales(MemorySegment from, int start) {
        for (int group = 0; group < 16; group++) {
            int nibble = (at(from, start + group / 2) >> (group % 2 * 4)) & 15;
            setScale(group, 2 * nibble + 1);
        }
    }

    private void signed8(int first, GgufGrid grid, int index, int signs) {
        for (int j = 0; j < 8; j++) {
            int magnitude = IQ2_MAGNITUDES[grid.at(index, j)];
            set(first + j, ((signs >> j) & 1) == 0 ? magnitude : -magnitude);
        }
    }

    /// `d, 64 indices, 8 ints: 4 signs of 7 bits, scale of 4 bits`.
    private void iq3Xxs(MemorySegment from) {
        setScale(from.get(SHORT, 0));
        for (int sub = 0; sub < 8; sub++) {
            int rest = from.get(INT, 66 + 4 * sub);
            setBoth(sub, 2 * (rest >>> 28) + 1);
            for (int c = 0; c < 32; c++) {
                int index = at(from, 2 + 8 * sub + c / 4);
                int magnitude = IQ3_MAGNITUDES[GgufGrid.IQ3_XXS.at(index, c % 4)];
                boolean negative = ((signs(rest >> (c / 8 * 7)) >> (c % 8)) & 1) != 0;
                set(32 * sub + c, negative ? -magnitude : magnitude);
            }
        }
    }

    /// `d, 64 indices, 8 bytes: high bits of 8 indices, 32 signs, 4 bytes of 2 scales`.
    private void iq3S(MemorySegment from) {
        setScale(from.get(SHORT, 0));
        for (int sub = 0; sub < 8; sub++) {
            setBoth(sub, 2 * ((at(from, 106 + sub / 2) >> (sub % 2 * 4)) & 15) + 1);
            int high = at(from, 66 + sub);
            for (int c = 0; c < 32; c++) {
                int index = at(from, 2 + 8 * sub + c / 4) | (((high >> (c / 4)) & 1) << 8);
                int magnitude = 2 * GgufGrid.IQ3_S.at(index, c % 4) + 1;
                boolean negative = ((at(from, 74 + 4 * sub + c / 8) >> (c % 8)) & 1) != 0;
                set(32 * sub + c, negative ? -magnitude : magnitude);
            }
        }
    }

    /// Five ternary digits in a byte, as a fraction of 256: `32 bytes, 16 bytes, 4 bytes of four
    /// digits, d`.
    private void tq1(MemorySegment from) {
        setScale(from.get(SHORT, 52));
        setScales(1);
        digits(from, 0, 32, 5, 0);
        digits(from, 32, 16, 5, 160);
        digits(from, 48, 4, 4, 240);
    }

    private void digits(MemorySegment from, int start, int bytes, int digits, int first) {
        for (int n = 0; n < digits; n++) {
            for (int m = 0; m < bytes; m++) {
                int fraction = (at(from, start + m) * POWERS_OF_3[n]) & 255;
                set(first + n * bytes + m, ((fraction * 3) >> 8) - 1);
            }
        }
    }

    /// `64 bytes of 4 codes, d`.
    private void tq2(MemorySegment from) {
        setScale(from.get(SHORT, 64));
        setScales(1);
        for (int i = 0; i < GridBlock.SIZE; i++) {
            int code = (at(from, i / 128 * 32 + i % 32) >> (i % 128 / 32 * 2)) & 3;
            set(i, code - 1);
        }
    }

    /// Returns 8 signs of which 7 are stored: their number is even.
    private static int signs(int stored) {
        int seven = stored & 127;
        return seven | ((Integer.bitCount(seven) & 1) << 7);
    }

    private void setBoth(int subBlock, int scale) {
        setScale(2 * subBlock, scale);
        setScale(2 * subBlock + 1, scale);
    }

    private static int at(MemorySegment from, long index) {
        return Byte.toUnsignedInt(from.get(ValueLayout.JAVA_BYTE, index));
    }

    private static int twoBytes(MemorySegment from, long index) {
        return Short.toUnsignedInt(from.get(SHORT, index));
    }
}
