// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The quantile function of the standard normal distribution.
final class NormalQuantile {
    /// Beyond it a double has no probabilities below 1.
    private static final double LARGEST = 8.3;

    private NormalQuantile() {}

    /// Returns the number that a normal variable is below with this probability, between 0 and 1.
    static double of(double probability) {
        double low = -LARGEST;
        double high = LARGEST;
        for (int i = 0; i < 64; i++) {
            double middle = (low + high) / 2;
            if (below(middle) < probability) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return (low + high) / 2;
    }

    /// Returns the probability of a value below z, by a series (Marsaglia 2004).
    private static double below(double z) {
        double sum = z;
        double term = z;
        for (int i = 3; sum + term != sum; i += 2) {
            term *= z * z / i;
            sum += term;
        }
        return 0.5 + sum * Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
    }
}
