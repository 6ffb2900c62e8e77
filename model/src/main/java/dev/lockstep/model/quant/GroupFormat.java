// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.nio.ByteBuffer;

/// Groups of columns with an f16 scale: the scale, the zero point in a byte if there is one, then
/// the codes, from the lowest bits of each byte on. Codes are stored as numbers that are not
/// negative: symmetric ones plus half their range.
///
/// @param bits of a code, 4 or 8
/// @param columns of a group
/// @param zeroPoints whether each group has a code of its own that stands for 0; else that is half
///   their range
public record GroupFormat(int bits, int columns, boolean zeroPoints) implements CodedFormat {
    public GroupFormat {
        if ((bits != 4 && bits != 8) || columns < 2 || columns % 2 != 0) {
            throw new IllegalArgumentException(
                    "%d bits in groups of %d columns".formatted(bits, columns));
        }
    }

    /// Creates groups of symmetric codes.
    public GroupFormat(int bits, int columns) {
        this(bits, columns, false);
    }

    @Override
    public int scaleBytes() {
        return Short.BYTES + (zeroPoints ? 1 : 0);
    }

    @Override
    public int codeBytes() {
        return columns * bits / Byte.SIZE;
    }

    @Override
    public QuantizedBlock fit(float[] row, int from, float[] importance) {
        float[] weights = new float[columns];
        System.arraycopy(importance, from, weights, 0, columns);
        var fit = new ScaleFit();
        if (zeroPoints) {
            return withZeroPoint(fit, row, from, weights);
        }
        int high = (1 << (bits - 1)) - 1;
        int low = -high - 1;
        fit.symmetric(row, from, columns, weights, low, high);
        short scale = Float.floatToFloat16((float) fit.scale());
        return new QuantizedBlock(columns, low, high, scale);
    }

    private QuantizedBlock withZeroPoint(ScaleFit fit, float[] row, int from, float[] weights) {
        int high = (1 << bits) - 1;
        int zero = fit.withZeroPoint(row, from, columns, weights, high);
        short factor = Float.floatToFloat16((float) fit.scale());
        float scale = Float.float16ToFloat(factor);
        return new QuantizedBlock(
                columns,
                0,
                high,
                new float[] {scale},
                new float[] {-scale * zero},
                new int[0],
                new int[] {zero},
                new short[] {factor},
                new int[columns]);
    }

    @Override
    public void write(QuantizedBlock block, ByteBuffer out) {
        out.putShort(block.factors()[0]);
        if (zeroPoints) {
            out.put((byte) block.minimumCodes()[0]);
        }
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
