// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

/// The scales of input channels that share the difficulty of rounding between inputs and weights:
/// SmoothQuant (Xiao et al. 2023).
///
/// @param alpha how much of it the weights take, from 0 to 1
public record Smoothing(float alpha) {
    private static final float MAX_SCALE = 1e4f;

    public Smoothing {
        if (!(alpha >= 0 && alpha <= 1)) {
            throw new IllegalArgumentException("alpha of %s is not in [0, 1]".formatted(alpha));
        }
    }

    /// Returns `max|x|^α / max|w|^(1 - α)` for each channel: columns of the weights are multiplied
    /// by it, inputs divided. It is 1 where the channel has no input or no weight.
    ///
    /// @param inputs the largest magnitude of each channel's inputs
    /// @param weights the largest magnitude of each channel's weights
    public float[] scales(float[] inputs, float[] weights) {
        if (inputs.length != weights.length) {
            throw new IllegalArgumentException(
                    "inputs of %d channels for weights of %d"
                            .formatted(inputs.length, weights.length));
        }
        float[] scales = new float[inputs.length];
        for (int c = 0; c < scales.length; c++) {
            double scale = Math.pow(inputs[c], alpha) / Math.pow(weights[c], 1 - alpha);
            scales[c] =
                    inputs[c] == 0 || weights[c] == 0
                            ? 1
                            : (float) Math.clamp(scale, 1 / MAX_SCALE, MAX_SCALE);
        }
        return scales;
    }

    /// Rounds positive scales to the nearest powers of two, by which plain types are multiplied
    /// exactly.
    public static void roundToPowersOfTwo(float[] scales) {
        for (int c = 0; c < scales.length; c++) {
            scales[c] = Math.scalb(1f, (int) Math.rint(Math.log(scales[c]) / Math.log(2)));
        }
    }
}
