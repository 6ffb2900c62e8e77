// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import dev.lockstep.checkpoint.Bfloat16;
import dev.lockstep.checkpoint.TensorType;
import java.nio.ByteBuffer;

/// Codes with a scale that the largest of them decides: FP8 with a scale for each row, and MXFP4.
///
/// @param columns of a block
public record FloatFormat(Kind kind, int columns, TensorType scaleType) implements CodedFormat {
    private static final int E8M0_BIAS = 127;

    /// What the codes are.
    public enum Kind {
        /// FP8, E4M3.
        FP8,
        /// E2M1, two in a byte, the first in the lower half, with a power of two as their scale.
        MXFP4
    }

    /// Returns FP8 with a scale for each row.
    public static FloatFormat fp8(int columns, TensorType scaleType) {
        return new FloatFormat(Kind.FP8, columns, scaleType);
    }

    /// Returns MXFP4.
    ///
    /// @param columns of a block, 32
    public static FloatFormat mxfp4(int columns) {
        return new FloatFormat(Kind.MXFP4, columns, TensorType.F32);
    }

    @Override
    public int scaleBytes() {
        return kind == Kind.MXFP4 ? 1 : scaleType.blockBytes();
    }

    @Override
    public int codeBytes() {
        return kind == Kind.MXFP4 ? columns / 2 : columns;
    }

    @Override
    public QuantizedBlock fit(float[] row, int from, float[] importance) {
        float largest = 0;
        for (int c = from; c < from + columns; c++) {
            largest = Math.max(largest, Math.abs(row[c]));
        }
        return switch (kind) {
            case FP8 -> block(FloatCodes.E4M3, stored(largest / FloatCodes.E4M3.largest()));
            case MXFP4 -> mxfp4(row, from, importance, largest);
        };
    }

    /// Chooses the power of two with the smaller error: the one that keeps the largest value, or
    /// the one below it, which cuts the largest off and is finer.
    private QuantizedBlock mxfp4(float[] row, int from, float[] importance, float largest) {
        if (largest == 0) {
            return block(FloatCodes.E2M1, Math.scalb(1f, -E8M0_BIAS));
        }
        int exponent = Math.getExponent(largest) - Math.getExponent(FloatCodes.E2M1.largest());
        QuantizedBlock coarse = block(FloatCodes.E2M1, power(exponent + 1));
        QuantizedBlock fine = block(FloatCodes.E2M1, power(exponent));
        return error(coarse, row, from, importance) < error(fine, row, from, importance)
                ? coarse
                : fine;
    }

    private static float power(int exponent) {
        return Math.scalb(1f, Math.clamp(exponent, -E8M0_BIAS, E8M0_BIAS));
    }

    private double error(QuantizedBlock block, float[] row, int from, float[] importance) {
        double error = 0;
        for (int c = 0; c < columns; c++) {
            double difference = row[from + c] - block.choose(c, row[from + c]);
            error += importance[from + c] * difference * difference;
        }
        return error;
    }

    private QuantizedBlock block(FloatCodes codes, float scale) {
        return new QuantizedBlock(columns, scale, codes);
    }

    /// Returns a scale as the file has it.
    private float stored(float scale) {
        return switch (scaleType) {
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(scale));
            case BF16 -> Float.intBitsToFloat(Bfloat16.of(scale) << 16);
            default -> scale;
        };
    }

    @Override
    public void write(QuantizedBlock block, ByteBuffer out) {
        float scale = block.scale()[0];
        if (kind == Kind.MXFP4) {
            out.put((byte) (Math.getExponent(scale) + E8M0_BIAS));
            for (int c = 0; c < columns; c += 2) {
                out.put((byte) (block.codes()[c] | block.codes()[c + 1] << 4));
            }
            return;
        }
        switch (scaleType) {
            case F16 -> out.putShort(Float.floatToFloat16(scale));
            case BF16 -> out.putShort(Bfloat16.of(scale));
            default -> out.putFloat(scale);
        }
        for (int code : block.codes()) {
            out.put((byte) code);
        }
    }
}
