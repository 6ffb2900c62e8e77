// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The parameters of xIELU (Huang and Schlag 2024), an activation function that a layer learns:
///
/// ```
/// x > 0:  positive · x² + beta · x
/// x ≤ 0:  negative · (e^min(x, epsilon) − 1 − x) + beta · x
/// ```
///
/// @param epsilon a small negative number
public record Xielu(float positive, float negative, float beta, float epsilon) {
    public Xielu {
        for (float value : new float[] {positive, negative, beta, epsilon}) {
            if (!Float.isFinite(value)) {
                throw new IllegalArgumentException("xIELU with the parameter " + value);
            }
        }
        if (epsilon > 0) {
            throw new IllegalArgumentException("xIELU with epsilon " + epsilon + " above 0");
        }
    }
}
