// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.nio.ByteBuffer;

/// Rows of signed codes of 8 bits, each with an f16 scale that its largest weight decides: the
/// scale, then the codes.
///
/// @param columns of a row
public record SignedRowFormat(int columns) implements CodedFormat {
    /// The code -128 is not used, so that scales are positive.
    private static final int HIGH = Byte.MAX_VALUE;

    @Override
    public int scaleBytes() {
        return Short.BYTES;
    }

    @Override
    public int codeBytes() {
        return columns;
    }

    @Override
    public QuantizedBlock fit(float[] row, int from, float[] importance) {
        float largest = 0;
        for (int c = from; c < from + columns; c++) {
            largest = Math.max(largest, Math.abs(row[c]));
        }
        short scale = Float.floatToFloat16(largest / HIGH);
        return new QuantizedBlock(columns, -HIGH, HIGH, scale);
    }

    @Override
    public void write(QuantizedBlock block, ByteBuffer out) {
        out.putShort(block.factors()[0]);
        for (int code : block.codes()) {
            out.put((byte) code);
        }
    }
}
