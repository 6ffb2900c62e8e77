// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

/// Fits the grid `scale · code + minimum` to some values, so that the weighted sum of squared
/// errors is small.
///
/// For given codes the best scale is a least-squares solution, and for a given scale the best codes
/// are the nearest ones. A fit tries several scales, each followed by one such improvement, and
/// keeps the best.
final class ScaleFit {
    /// Steps by which the first scale is varied, in units of a tenth of a code, in each direction.
    private static final int TRIALS = 9;

    /// Steps of 4 % by which the first scale is made smaller where there is a zero point.
    private static final int ZERO_TRIALS = 8;

    private double scale;
    private double minimum;

    double scale() {
        return scale;
    }

    /// Returns what the code 0 stands for; never positive.
    double minimum() {
        return minimum;
    }

    /// Fits `scale · code` with codes in `[low, high]`, where `low` is `-high - 1`: the scale may
    /// be negative, so that the value of the largest magnitude can have the code `low`.
    void symmetric(float[] x, int from, int count, float[] weights, int low, int high) {
        minimum = 0;
        scale = 0;
        double extreme = 0;
        for (int i = from; i < from + count; i++) {
            if (Math.abs(x[i]) > Math.abs(extreme)) {
                extreme = x[i];
            }
        }
        if (extreme == 0) {
            return;
        }
        double best = Double.MAX_VALUE;
        for (int trial = -TRIALS; trial <= TRIALS; trial++) {
            double inverse = (low - 0.1 * trial) / extreme;
            double products = 0;
            double squares = 0;
            for (int i = 0; i < count; i++) {
                double code = Math.clamp(Math.rint(x[from + i] * inverse), low, high);
                products += weights[i] * x[from + i] * code;
                squares += weights[i] * code * code;
            }
            double fitted = squares > 0 ? products / squares : extreme / low;
            if (fitted == 0) {
                continue;
            }
            double error = error(x, from, count, weights, fitted, 0, low, high);
            if (error < best) {
                best = error;
                scale = fitted;
            }
        }
    }

    /// Fits `scale · code + minimum` with codes in `[0, high]`, a scale that is not negative and a
    /// minimum that is not positive.
    void withMinimum(float[] x, int from, int count, float[] weights, int high) {
        double smallest = 0;
        double largest = 0;
        for (int i = from; i < from + count; i++) {
            smallest = Math.min(smallest, x[i]);
            largest = Math.max(largest, x[i]);
        }
        scale = (largest - smallest) / high;
        minimum = smallest;
        if (scale == 0) {
            return;
        }
        double best = error(x, from, count, weights, scale, minimum, 0, high);
        for (int trial = -TRIALS; trial <= TRIALS; trial++) {
            double inverse = (high + 0.1 * trial) / (largest - smallest);
            double weight = 0;
            double codes = 0;
            double squares = 0;
            double values = 0;
            double products = 0;
            for (int i = 0; i < count; i++) {
                double w = weights[i];
                double code = Math.clamp(Math.rint((x[from + i] - smallest) * inverse), 0, high);
                weight += w;
                codes += w * code;
                squares += w * code * code;
                values += w * x[from + i];
                products += w * x[from + i] * code;
            }
            double determinant = weight * squares - codes * codes;
            if (determinant <= 0) {
                continue;
            }
            double fitted = (weight * products - codes * values) / determinant;
            double offset = (squares * values - codes * products) / determinant;
            if (offset > 0) {
                offset = 0;
                fitted = products / squares;
            }
            if (fitted <= 0) {
                continue;
            }
            double error = error(x, from, count, weights, fitted, offset, 0, high);
            if (error < best) {
                best = error;
                scale = fitted;
                minimum = offset;
            }
        }
    }

    /// Fits `scale · (code − zero)` with codes in `[0, high]` and a scale that is not negative, and
    /// returns the zero point, which is one of the codes.
    int withZeroPoint(float[] x, int from, int count, float[] weights, int high) {
        double smallest = 0;
        double largest = 0;
        for (int i = from; i < from + count; i++) {
            smallest = Math.min(smallest, x[i]);
            largest = Math.max(largest, x[i]);
        }
        scale = 0;
        minimum = 0;
        double range = largest - smallest;
        if (range == 0) {
            return 0;
        }
        int near = (int) Math.rint(-smallest / range * high);
        int found = 0;
        double best = Double.MAX_VALUE;
        for (int zero = Math.max(0, near - 1); zero <= Math.min(high, near + 1); zero++) {
            for (int trial = -1; trial <= ZERO_TRIALS; trial++) {
                double step = range / high * (1 - 0.04 * trial);
                double products = 0;
                double squares = 0;
                for (int i = 0; i < count; i++) {
                    double rounded = Math.rint(x[from + i] / step);
                    double code = Math.clamp(rounded, -zero, high - zero);
                    products += weights[i] * x[from + i] * code;
                    squares += weights[i] * code * code;
                }
                double fitted = squares > 0 ? products / squares : step;
                if (fitted <= 0) {
                    continue;
                }
                double error = error(x, from, count, weights, fitted, 0, -zero, high - zero);
                if (error < best) {
                    best = error;
                    scale = fitted;
                    found = zero;
                }
            }
        }
        return found;
    }

    private static double error(
            float[] x,
            int from,
            int count,
            float[] weights,
            double scale,
            double minimum,
            int low,
            int high) {
        double sum = 0;
        for (int i = 0; i < count; i++) {
            double code = Math.clamp(Math.rint((x[from + i] - minimum) / scale), low, high);
            double difference = x[from + i] - minimum - scale * code;
            sum += weights[i] * difference * difference;
        }
        return sum;
    }
}
