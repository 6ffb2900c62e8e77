// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// What is kept of a matrix with offsets, and when it is decoded instead.
final class AffineMatrixTest {
    private static final int COLUMNS = 128;

    @Test
    void aBlockHasTheScaleTheOffsetAndTheCodes() {
        MemorySegment block = MemorySegment.ofArray(new byte[40]);
        matrix(0.25f, -2).decode(1, 64, 128, block, 4);
        assertEquals(0.25f, half(block, 4));
        assertEquals(-2, half(block, 6));
        for (int i = 0; i < 32; i++) {
            int column = 64 + i / 16 * 32 + i % 16;
            int both = code(column) | (code(column + 16) << 4);
            assertEquals((byte) both, block.get(ValueLayout.JAVA_BYTE, 8 + i));
        }
    }

    @Test
    void whatIsNoHalfIsDecoded() {
        assertTrue(matrix(0.25f, -2).fallback().isEmpty());
        for (AffineMatrix inexact :
                new AffineMatrix[] {
                    matrix(1e-7f, -2), matrix(0.25f, 1 + 0x1p-12f), matrix(0.25f, Float.NaN)
                }) {
            WeightDecoder.Plain plain = inexact.fallback().orElseThrow();
            assertEquals(TensorType.BF16, plain.type());
            assertEquals(inexact.plain(), plain.decoder());
        }
    }

    /// Only the last group of the last row has this scale and this offset; those of the others are
    /// 1 and 0.
    private static AffineMatrix matrix(float scale, float offset) {
        var plain =
                new QuantizedMatrix(
                        2,
                        COLUMNS,
                        (row, from, values) -> {
                            for (int i = 0; i < values.length; i++) {
                                values[i] = code(from + i);
                            }
                        },
                        Optional.empty(),
                        last(scale, 1),
                        Optional.of(last(offset, 0)),
                        TensorType.BF16,
                        "test");
        return new AffineMatrix(plain, TensorType.Q4_OFFSET, 0);
    }

    private static RowReader last(float value, float other) {
        return (row, from, values) -> Arrays.fill(values, row == 1 && from >= 64 ? value : other);
    }

    private static int code(int column) {
        return column * 7 % 16;
    }

    private static float half(MemorySegment block, int at) {
        return Float.float16ToFloat(block.get(ValueLayout.JAVA_SHORT_UNALIGNED, at));
    }
}
