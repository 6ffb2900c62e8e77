// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Arrays;
import java.util.Optional;

/// A linear layer after pooling, `activation(W · x + b)`.
///
/// @param weight `[outputs, inputs]`, one row after the other
/// @param bias one for each output
public record SentenceDense(
        int inputs, int outputs, float[] weight, float[] bias, Activation activation) {

    /// The function of each component, by its class in torch.
    public enum Activation {
        IDENTITY("torch.nn.modules.linear.Identity"),
        TANH("torch.nn.modules.activation.Tanh"),
        RELU("torch.nn.modules.activation.ReLU"),
        SIGMOID("torch.nn.modules.activation.Sigmoid"),
        /// `x · Φ(x)` with the distribution function of the normal distribution (Hendrycks and
        /// Gimpel 2016), exact.
        GELU("torch.nn.modules.activation.GELU");

        /// Beyond it, `erf` rounds to 1 in double.
        private static final double ERF_IS_ONE = 6;

        private final String className;

        Activation(String className) {
            this.className = className;
        }

        static Optional<Activation> of(String className) {
            return Arrays.stream(values())
                    .filter(each -> each.className.equals(className))
                    .findFirst();
        }

        public double of(double x) {
            return switch (this) {
                case IDENTITY -> x;
                case TANH -> Math.tanh(x);
                case RELU -> Math.max(0, x);
                case SIGMOID -> 1 / (1 + Math.exp(-x));
                case GELU -> x * (1 + erf(x / Math.sqrt(2))) / 2;
            };
        }

        /// Sums `2 / √π · e^(-x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1 · 3 ⋯ (2n + 1))`, whose terms have one sign.
        private static double erf(double x) {
            if (Math.abs(x) > ERF_IS_ONE) {
                return Math.signum(x);
            }
            double term = x;
            double sum = x;
            for (int n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
                term *= 2 * x * x / (2 * n + 1);
                sum += term;
            }
            return 2 / Math.sqrt(Math.PI) * Math.exp(-x * x) * sum;
        }
    }

    public SentenceDense {
        if (weight.length != (long) inputs * outputs || bias.length != outputs) {
            throw new IllegalArgumentException(
                    "%d weights and %d biases for [%d, %d]"
                            .formatted(weight.length, bias.length, outputs, inputs));
        }
    }

    /// Returns the outputs for one vector.
    public float[] apply(float[] x) {
        var result = new float[outputs];
        for (int row = 0; row < outputs; row++) {
            double sum = bias[row];
            int start = row * inputs;
            for (int i = 0; i < inputs; i++) {
                sum += (double) weight[start + i] * x[i];
            }
            result[row] = (float) activation.of(sum);
        }
        return result;
    }
}
