// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.util.Optional;

/// The grid of one block as it will be stored, and the codes chosen on it: column c stands for
/// `scale[c / width] · code + minimum[c / width]`.
///
/// @param width columns of a sub-block, which share a scale and a minimum
/// @param low the smallest code
/// @param scaleCodes the stored integers of the scales; empty where blocks have one
/// @param minimumCodes the stored integers of the minimums; empty where blocks have one or none
/// @param factors the scales of the whole block as f16
/// @param floats what the codes stand for in place of `code`; empty for integers
record QuantizedBlock(
        int width,
        int low,
        int high,
        float[] scale,
        float[] minimum,
        int[] scaleCodes,
        int[] minimumCodes,
        short[] factors,
        int[] codes,
        Optional<FloatCodes> floats) {

    /// Creates a block whose codes are integers.
    QuantizedBlock(
            int width,
            int low,
            int high,
            float[] scale,
            float[] minimum,
            int[] scaleCodes,
            int[] minimumCodes,
            short[] factors,
            int[] codes) {
        this(
                width,
                low,
                high,
                scale,
                minimum,
                scaleCodes,
                minimumCodes,
                factors,
                codes,
                Optional.empty());
    }

    /// Creates a block of integers with one scale.
    QuantizedBlock(int columns, int low, int high, short scale) {
        this(
                columns,
                low,
                high,
                new float[] {Float.float16ToFloat(scale)},
                new float[1],
                new int[0],
                new int[0],
                new short[] {scale},
                new int[columns]);
    }

    /// Creates a block of floats with one scale.
    QuantizedBlock(int columns, float scale, FloatCodes floats) {
        this(
                columns,
                0,
                0,
                new float[] {scale},
                new float[1],
                new int[0],
                new int[0],
                new short[0],
                new int[columns],
                Optional.of(floats));
    }

    /// Chooses the code nearest to `x` for a column, and returns what it stands for.
    float choose(int column, float x) {
        int sub = column / width;
        float step = scale[sub];
        if (floats.isPresent()) {
            int nearest = step == 0 ? 0 : floats.get().nearest(x / step);
            codes[column] = nearest;
            return step * floats.get().value(nearest);
        }
        int code =
                step == 0
                        ? Math.clamp(0, low, high)
                        : (int) Math.clamp(Math.rint((x - minimum[sub]) / step), low, high);
        codes[column] = code;
        return step * code + minimum[sub];
    }
}
