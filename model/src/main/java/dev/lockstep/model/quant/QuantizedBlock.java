// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

/// The grid of one block as it will be stored, and the codes chosen on it: column c stands for
/// `scale[c / width] · code + minimum[c / width]`.
///
/// @param width columns of a sub-block, which share a scale and a minimum
/// @param low the smallest code
/// @param scaleCodes the stored integers of the scales; empty where blocks have one
/// @param minimumCodes the stored integers of the minimums; empty where blocks have one or none
/// @param factors the scales of the whole block as f16
record QuantizedBlock(
        int width,
        int low,
        int high,
        float[] scale,
        float[] minimum,
        int[] scaleCodes,
        int[] minimumCodes,
        short[] factors,
        int[] codes) {

    /// Chooses the code nearest to `x` for a column, and returns what it stands for.
    float choose(int column, float x) {
        int sub = column / width;
        float step = scale[sub];
        int code =
                step == 0
                        ? Math.clamp(0, low, high)
                        : (int) Math.clamp(Math.rint((x - minimum[sub]) / step), low, high);
        codes[column] = code;
        return step * code + minimum[sub];
    }
}
