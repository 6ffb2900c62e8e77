// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// The distribution after the sampling filters, in double.
final class SamplingReference {
    private SamplingReference() {}

    static double[] probabilities(float[] logits, SamplingSettings settings) {
        List<Integer> order =
                IntStream.range(0, logits.length)
                        .boxed()
                        .sorted(
                                Comparator.comparingDouble((Integer id) -> -logits[id])
                                        .thenComparing(id -> id))
                        .toList();
        float greatest = logits[order.getFirst()];
        double[] kept = new double[logits.length];
        double mass = 0;
        for (int rank = 0; rank < order.size(); rank++) {
            int id = order.get(rank);
            double likelihood = Math.exp((logits[id] - greatest) / (double) settings.temperature());
            boolean likely = likelihood >= settings.minP();
            boolean among = settings.topK() == 0 || rank < settings.topK();
            kept[id] = likely && among ? likelihood : 0;
            mass += kept[id];
        }
        double held = 0;
        for (int id : order) {
            boolean enough = held >= settings.topP() * mass;
            held += kept[id];
            kept[id] = enough && settings.topP() < 1 ? 0 : kept[id];
        }
        if (settings.typicalP() < 1) {
            keepTypical(kept, settings.typicalP());
        }
        double total = 0;
        for (double likelihood : kept) {
            total += likelihood;
        }
        for (int id = 0; id < kept.length; id++) {
            kept[id] /= total;
        }
        return kept;
    }

    /// Sets all weights to 0 but the fewest that hold the mass `typicalP`, those first whose
    /// information content is closest to the entropy.
    private static void keepTypical(double[] weights, double typicalP) {
        double mass = IntStream.range(0, weights.length).mapToDouble(id -> weights[id]).sum();
        double entropy = 0;
        for (double weight : weights) {
            entropy -= weight == 0 ? 0 : weight / mass * Math.log(weight / mass);
        }
        double mean = entropy;
        List<Integer> order =
                IntStream.range(0, weights.length)
                        .filter(id -> weights[id] > 0)
                        .boxed()
                        .sorted(
                                Comparator.comparingDouble(
                                                (Integer id) ->
                                                        Math.abs(
                                                                -Math.log(weights[id] / mass)
                                                                        - mean))
                                        .thenComparingDouble(id -> -weights[id]))
                        .toList();
        double held = 0;
        for (int id : order) {
            boolean enough = held >= typicalP * mass;
            held += weights[id];
            weights[id] = enough ? 0 : weights[id];
        }
    }

    static double[] logSoftmax(float[] logits) {
        double greatest = Double.NEGATIVE_INFINITY;
        for (float x : logits) {
            greatest = Math.max(greatest, x);
        }
        double sum = 0;
        for (float x : logits) {
            sum += Math.exp(x - greatest);
        }
        double[] out = new double[logits.length];
        for (int id = 0; id < out.length; id++) {
            out[id] = logits[id] - greatest - Math.log(sum);
        }
        return out;
    }
}
