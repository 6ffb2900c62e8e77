// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

/// Functions of logits, computed in double.
final class Distributions {

    private Distributions() {}

    /// Returns `log Σ exp(logits)`.
    static double logSum(float[] logits) {
        double largest = logits[best(logits)];
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - largest);
        }
        return largest + Math.log(sum);
    }

    /// Returns the index of the largest logit, the first of equal ones.
    static int best(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }

    /// Returns the Kullback-Leibler divergence `Σ p · (log p − log q)` in nats.
    static double divergence(float[] p, float[] q) {
        double pSum = logSum(p);
        double qSum = logSum(q);
        double divergence = 0;
        for (int i = 0; i < p.length; i++) {
            double logP = p[i] - pSum;
            divergence += Math.exp(logP) * (logP - (q[i] - qSum));
        }
        // Rounding can make the divergence of equal distributions negative.
        return Math.max(0, divergence);
    }
}
