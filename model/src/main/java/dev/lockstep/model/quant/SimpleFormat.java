// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import dev.lockstep.checkpoint.TensorType;
import java.nio.ByteBuffer;

/// Blocks of 32 columns with one scale, and a minimum in Q4_1 and Q5_1.
///
/// @param type one of Q4_0, Q4_1, Q5_0, Q5_1, Q8_0
record SimpleFormat(TensorType type) implements BlockFormat {
    private static final int COLUMNS = 32;
    private static final int[] NONE = {};

    SimpleFormat {
        bits(type);
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
        int high = (1 << (bits(type) - 1)) - 1;
        int low = -high - 1;
        float[] weights = new float[COLUMNS];
        System.arraycopy(importance, from, weights, 0, COLUMNS);
        var fit = new ScaleFit();
        short[] factors;
        if (hasMinimum()) {
            high = 2 * high + 1;
            low = 0;
            fit.withMinimum(row, from, COLUMNS, weights, high);
            factors = new short[] {half(fit.scale()), half(fit.minimum())};
        } else if (type == TensorType.Q8_0) {
            low = -high;
            factors = new short[] {half(largest(row, from) / high)};
        } else {
            fit.symmetric(row, from, COLUMNS, weights, low, high);
            factors = new short[] {half(fit.scale())};
        }
        float[] minimum = {hasMinimum() ? Float.float16ToFloat(factors[1]) : 0};
        return new QuantizedBlock(
                COLUMNS,
                low,
                high,
                new float[] {Float.float16ToFloat(factors[0])},
                minimum,
                NONE,
                NONE,
                factors,
                new int[COLUMNS]);
    }

    @Override
    public void write(QuantizedBlock block, ByteBuffer out) {
        for (short factor : block.factors()) {
            out.putShort(factor);
        }
        int[] codes = block.codes();
        if (type == TensorType.Q8_0) {
            for (int code : codes) {
                out.put((byte) code);
            }
            return;
        }
        int fifth = 0;
        byte[] low = new byte[COLUMNS / 2];
        for (int c = 0; c < COLUMNS; c++) {
            int code = codes[c] - block.low();
            // Columns c and c + 16 share a byte.
            low[c % 16] |= (byte) ((code & 15) << (c / 16 * 4));
            fifth |= (code >> 4) << c;
        }
        if (bits(type) == 5) {
            out.putInt(fifth);
        }
        out.put(low);
    }

    private boolean hasMinimum() {
        return type == TensorType.Q4_1 || type == TensorType.Q5_1;
    }

    private static int bits(TensorType type) {
        return switch (type) {
            case Q4_0, Q4_1 -> 4;
            case Q5_0, Q5_1 -> 5;
            case Q8_0 -> 8;
            default -> throw new IllegalArgumentException(type + " has no blocks of 32");
        };
    }

    private static double largest(float[] row, int from) {
        float largest = 0;
        for (int c = from; c < from + COLUMNS; c++) {
            largest = Math.max(largest, Math.abs(row[c]));
        }
        return largest;
    }

    private static short half(double value) {
        return Float.floatToFloat16((float) value);
    }
}
