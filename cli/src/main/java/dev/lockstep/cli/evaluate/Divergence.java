// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import java.util.Arrays;

/// How far a model's next-token distributions are from a reference's, over the scored positions.
///
/// @param mean of the Kullback-Leibler divergences from the reference to the model, in nats
/// @param p99 what 99 % of them do not exceed
/// @param largest of them
/// @param agreement the share of positions at which both have the same most likely token
public record Divergence(double mean, double p99, double largest, double agreement) {

    /// Adds positions one by one.
    static final class Sum {
        private double[] divergences = new double[1024];
        private int count;
        private int agreed;

        void add(float[] reference, float[] model) {
            if (count == divergences.length) {
                divergences = Arrays.copyOf(divergences, 2 * count);
            }
            divergences[count++] = Distributions.divergence(reference, model);
            agreed += Distributions.best(reference) == Distributions.best(model) ? 1 : 0;
        }

        Divergence result() {
            double[] sorted = Arrays.copyOf(divergences, count);
            Arrays.sort(sorted);
            return new Divergence(
                    Arrays.stream(sorted).average().orElseThrow(),
                    sorted[(int) Math.ceil(0.99 * count) - 1],
                    sorted[count - 1],
                    (double) agreed / count);
        }
    }
}
