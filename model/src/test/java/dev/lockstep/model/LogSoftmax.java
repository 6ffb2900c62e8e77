// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

/// The natural logarithms of a softmax, in double.
final class LogSoftmax {
    private LogSoftmax() {}

    static double[] of(float[] logits) {
        double max = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        double[] logarithms = new double[logits.length];
        for (int i = 0; i < logits.length; i++) {
            logarithms[i] = logits[i] - max - Math.log(sum);
        }
        return logarithms;
    }
}
