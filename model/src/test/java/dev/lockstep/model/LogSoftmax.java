package dev.lockstep.model;

/// Natural logarithms of a softmax, in double.
final class LogSoftmax {
    private LogSoftmax() {}

    static double[] of(float[] logits) {
        double most = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            most = Math.max(most, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - most);
        }
        double[] logarithms = new double[logits.length];
        for (int i = 0; i < logits.length; i++) {
            logarithms[i] = logits[i] - most - Math.log(sum);
        }
        return logarithms;
    }
}
