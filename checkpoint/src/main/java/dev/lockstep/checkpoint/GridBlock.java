// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/// A block of 256 weights w = d·s·q·unit, read from one of GGUF's grid types and written in a type
/// that kernels read. One instance is reused for many blocks.
final class GridBlock {
    static final int SIZE = 256;

    private static final int SUB_BLOCK = 32;
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /// The values of [TensorType#IQ2_GRID], in eighths, and of [TensorType#IQ3_GRID], in quarters.
    private static final byte[] IQ2 = {8, 7, 1, 0, -1, -7, -8, -9, 0, 9, 25, 43, -25, -43};

    private static final byte[] IQ3 = {
        4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62
    };

    private static final byte[] IQ2_CODES = codes(IQ2);
    private static final byte[] IQ3_CODES = codes(IQ3);

    /// d, as f16.
    private short scale;

    /// s of each 16 weights.
    private final byte[] scales = new byte[SIZE / 16];

    /// q
    private final byte[] values = new byte[SIZE];

    void setScale(short half) {
        scale = half;
    }

    void setScale(int group, int own) {
        scales[group] = (byte) own;
    }

    void setScales(int own) {
        Arrays.fill(scales, (byte) own);
    }

    void set(int index, int value) {
        values[index] = (byte) value;
    }

    /// Writes the block.
    ///
    /// @param type Q6_K for weights in units of 1, IQ2_GRID in eighths, IQ3_GRID in quarters
    void write(TensorType type, MemorySegment target, long at) {
        switch (type) {
            case IQ2_GRID -> writeGrid(IQ2_CODES, target, at);
            case IQ3_GRID -> writeGrid(IQ3_CODES, target, at);
            case Q6_K -> writeQ6(target, at);
            default -> throw new IllegalArgumentException("no grid is decoded to " + type);
        }
    }

    private void writeGrid(byte[] codes, MemorySegment target, long at) {
        target.set(SHORT, at, scale);
        MemorySegment.copy(scales, 0, target, ValueLayout.JAVA_BYTE, at + 2, scales.length);
        long to = at + 2 + scales.length;
        for (int from = 0; from < SIZE; from += SUB_BLOCK) {
            for (int c = 0; c < SUB_BLOCK / 2; c++) {
                int low = codes[values[from + c] & 255];
                int high = codes[values[from + c + SUB_BLOCK / 2] & 255];
                target.set(ValueLayout.JAVA_BYTE, to++, (byte) (low | (high << 4)));
            }
        }
    }

    /// Low 4 bits of codes q + 32: 64 columns apart share a byte; high 2 bits: 32 columns apart do.
    private void writeQ6(MemorySegment target, long at) {
        for (int half = 0; half < 2; half++) {
            for (int c = 0; c < 32; c++) {
                int[] code = new int[4];
                for (int i = 0; i < 4; i++) {
                    code[i] = values[128 * half + 32 * i + c] + 32;
                }
                long low = at + 64L * half + c;
                target.set(
                        ValueLayout.JAVA_BYTE,
                        low,
                        (byte) ((code[0] & 15) | ((code[2] & 15) << 4)));
                target.set(
                        ValueLayout.JAVA_BYTE,
                        low + 32,
                        (byte) ((code[1] & 15) | ((code[3] & 15) << 4)));
                int high =
                        (code[0] >> 4)
                                | ((code[1] >> 4) << 2)
                                | ((code[2] >> 4) << 4)
                                | ((code[3] >> 4) << 6);
                target.set(ValueLayout.JAVA_BYTE, at + 128 + 32L * half + c, (byte) high);
            }
        }
        MemorySegment.copy(scales, 0, target, ValueLayout.JAVA_BYTE, at + 192, scales.length);
        target.set(SHORT, at + 208, scale);
    }

    /// Returns the code of each value, by its unsigned byte.
    private static byte[] codes(byte[] values) {
        byte[] codes = new byte[256];
        for (int code = 0; code < values.length; code++) {
            codes[values[code] & 255] = (byte) code;
        }
        return codes;
    }
}
