// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.nio.ByteBuffer;

/// Groups of columns with symmetric codes and an f16 scale: the scale, then the codes plus half
/// their range, from the lowest bits of each byte on.
///
/// @param bits of a code, 4 or 8
/// @param columns of a group
public record GroupFormat(int bits, int columns) implements CodedFormat {
    public GroupFormat {
        if ((bits != 4 && bits != 8) || columns < 2 || columns % 2 != 0) {
            throw new IllegalArgumentException(
                    "%d bits in groups of %d columns".formatted(bits, columns));
        }
    }

    @Override
    public int scaleBytes() {
        return Short.BYTES;
    }

    @Override
    public int codeBytes() {
        return columns * bits / Byte.SIZE;
    }

    @Override
    public QuantizedBlock fit(float[] row, int from, float[] importance) {
        int high = (1 << (bits - 1)) - 1;
        int low = -high - 1;
        float[] weights = new float[columns];
        System.arraycopy(importance, from, weights, 0, columns);
        var fit = new ScaleFit();
        fit.symmetric(row, from, columns, weights, low, high);
        short scale = Float.floatToFloat16((float) fit.scale());
        return new QuantizedBlock(columns, low, high, scale);
    }

    @Override
    public void write(QuantizedBlock block, ByteBuffer out) {
        out.putShort(block.factors()[0]);
        int[] codes = block.codes();
        for (int c = 0; c < columns; c += Byte.SIZE / bits) {
            int both = codes[c] - block.low();
            if (bits == 4) {
                both |= (codes[c + 1] - block.low()) << 4;
            }
            out.put((byte) both);
        }
    }
}
