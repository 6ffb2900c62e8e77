// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;

/// The layer between an encoder's pooled hidden state and its score, `norm(activation(W · x + b))`.
public record ScoreLayer(SentenceDense dense, Optional<Norm> norm) {

    /// A LayerNorm, `(x - mean) / sqrt(variance + epsilon) · weight + bias`.
    public record Norm(float[] weight, float[] bias, double epsilon) {
        float[] apply(float[] x) {
            double mean = 0;
            for (float value : x) {
                mean += value;
            }
            mean /= x.length;
            double variance = 0;
            for (float value : x) {
                variance += (value - mean) * (value - mean);
            }
            double scale = 1 / Math.sqrt(variance / x.length + epsilon);
            float[] normed = new float[x.length];
            for (int i = 0; i < x.length; i++) {
                normed[i] = (float) ((x[i] - mean) * scale * weight[i] + bias[i]);
            }
            return normed;
        }
    }

    float[] apply(float[] x) {
        float[] activated = dense.apply(x);
        return norm.map(each -> each.apply(activated)).orElse(activated);
    }
}
