// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.RopeConfig;
import dev.lockstep.checkpoint.RopeScaling;
import java.util.List;
import java.util.OptionalDouble;

/// Rotary angles in double: `angle(p, i) = p · inverseFrequency[i]`, cosine and sine times
/// `attentionFactor`.
///
/// Formulas: Su et al. 2021 (plain), Chen et al. 2023 (linear), Peng et al. 2023 (YaRN), Ding et
/// al. 2024 (LongRoPE), and the Llama 3.1 release (Llama 3).
///
/// Dynamic scaling and LongRoPE choose frequencies by the length of the sequence; here the maximum
/// length that is served chooses them, because cached keys cannot be rotated again.
public record RotaryFrequencies(double[] inverse, double attentionFactor) {

    /// Returns the frequencies of a rope for sequences of at most `positions` positions.
    public static RotaryFrequencies of(RopeConfig rope, int positions) {
        double[] plain = new double[rope.rotaryDim() / 2];
        for (int i = 0; i < plain.length; i++) {
            plain[i] = Math.pow(rope.theta(), -2.0 * i / rope.rotaryDim());
        }
        return switch (rope.scaling()) {
            case RopeScaling.None none -> new RotaryFrequencies(plain, 1);
            case RopeScaling.Proportional part -> proportional(plain, part);
            case RopeScaling.Linear linear -> divided(plain, linear.factor());
            case RopeScaling.Llama3 llama3 -> llama3(plain, llama3);
            case RopeScaling.Yarn yarn -> yarn(plain, rope, yarn);
            case RopeScaling.Divisors divisors -> divided(rope, divisors, positions);
            case RopeScaling.Dynamic dynamic -> dynamic(plain, rope, dynamic, positions);
            case RopeScaling.LongRope longRope -> longRope(plain, longRope, positions);
        };
    }

    /// Returns cosines `[positions][dimensions / 2]`.
    public float[][] cos(int positions) {
        float[][] table = new float[positions][inverse.length];
        for (int p = 0; p < positions; p++) {
            for (int i = 0; i < inverse.length; i++) {
                table[p][i] = (float) (Math.cos(p * inverse[i]) * attentionFactor);
            }
        }
        return table;
    }

    /// Returns sines `[positions][dimensions / 2]`.
    public float[][] sin(int positions) {
        float[][] table = new float[positions][inverse.length];
        for (int p = 0; p < positions; p++) {
            for (int i = 0; i < inverse.length; i++) {
                table[p][i] = (float) (Math.sin(p * inverse[i]) * attentionFactor);
            }
        }
        return table;
    }

    private static RotaryFrequencies proportional(double[] plain, RopeScaling.Proportional part) {
        double[] inverse = new double[plain.length];
        for (int i = 0; i < Math.min(plain.length, part.rotated()); i++) {
            inverse[i] = plain[i] / part.factor();
        }
        return new RotaryFrequencies(inverse, 1);
    }

    private static RotaryFrequencies divided(double[] plain, double factor) {
        double[] inverse = new double[plain.length];
        for (int i = 0; i < plain.length; i++) {
            inverse[i] = plain[i] / factor;
        }
        return new RotaryFrequencies(inverse, 1);
    }

    private static RotaryFrequencies divided(
            RopeConfig rope, RopeScaling.Divisors divisors, int positions) {
        RotaryFrequencies scaled =
                of(new RopeConfig(rope.theta(), rope.rotaryDim(), divisors.scaled()), positions);
        return new RotaryFrequencies(
                divided(scaled.inverse(), divisors.factors()).inverse(), scaled.attentionFactor());
    }

    private static RotaryFrequencies divided(double[] plain, List<Double> factors) {
        if (factors.size() != plain.length) {
            throw new IllegalArgumentException(
                    "%d rope factors for %d frequencies".formatted(factors.size(), plain.length));
        }
        double[] inverse = new double[plain.length];
        for (int i = 0; i < plain.length; i++) {
            inverse[i] = plain[i] / factors.get(i);
        }
        return new RotaryFrequencies(inverse, 1);
    }

    private static RotaryFrequencies llama3(double[] plain, RopeScaling.Llama3 scaling) {
        double[] inverse = new double[plain.length];
        double low = scaling.lowFrequencyFactor();
        double high = scaling.highFrequencyFactor();
        for (int i = 0; i < plain.length; i++) {
            double turns = scaling.originalContext() * plain[i] / (2 * Math.PI);
            double keep = Math.clamp((turns - low) / (high - low), 0, 1);
            inverse[i] = plain[i] * (keep + (1 - keep) / scaling.factor());
        }
        return new RotaryFrequencies(inverse, 1);
    }

    private static RotaryFrequencies yarn(double[] plain, RopeConfig rope, RopeScaling.Yarn yarn) {
        double low = dimensionOf(yarn.betaFast(), rope, yarn);
        double high = dimensionOf(yarn.betaSlow(), rope, yarn);
        if (yarn.truncate()) {
            low = Math.floor(low);
            high = Math.ceil(high);
        }
        low = Math.max(low, 0);
        high = Math.min(high, rope.rotaryDim() - 1);
        if (low == high) {
            high += 0.001;
        }
        double[] inverse = new double[plain.length];
        for (int i = 0; i < plain.length; i++) {
            double stretch = Math.clamp((i - low) / (high - low), 0, 1);
            inverse[i] = plain[i] * (1 - stretch + stretch / yarn.factor());
        }
        return new RotaryFrequencies(inverse, yarnAttentionFactor(yarn));
    }

    /// Returns the dimension that makes `turns` full rotations within the original context.
    private static double dimensionOf(double turns, RopeConfig rope, RopeScaling.Yarn yarn) {
        return rope.rotaryDim()
                * Math.log(yarn.originalContext() / (turns * 2 * Math.PI))
                / (2 * Math.log(rope.theta()));
    }

    private static double yarnAttentionFactor(RopeScaling.Yarn yarn) {
        if (yarn.attentionFactor().isPresent()) {
            return yarn.attentionFactor().getAsDouble();
        }
        OptionalDouble above = yarn.mscale();
        OptionalDouble below = yarn.mscaleAllDim();
        if (above.isPresent() && below.isPresent()) {
            return mscale(yarn.factor(), above.getAsDouble())
                    / mscale(yarn.factor(), below.getAsDouble());
        }
        return mscale(yarn.factor(), 1);
    }

    private static double mscale(double factor, double scale) {
        return factor <= 1 ? 1 : 0.1 * scale * Math.log(factor) + 1;
    }

    /// Increases the base as if every sequence had the maximum length.
    private static RotaryFrequencies dynamic(
            double[] plain, RopeConfig rope, RopeScaling.Dynamic dynamic, int positions) {
        double length =
                Math.max(positions, dynamic.originalContext()) / (double) dynamic.originalContext();
        double growth = dynamic.factor() * length - (dynamic.factor() - 1);
        int dimensions = rope.rotaryDim();
        double[] inverse = new double[plain.length];
        for (int i = 0; i < plain.length; i++) {
            // theta · growth^(d / (d - 2)), to the power of -2i / d.
            double power = i == 0 ? 0 : -2.0 * i / (dimensions - 2);
            inverse[i] = plain[i] * Math.pow(growth, power);
        }
        return new RotaryFrequencies(inverse, 1);
    }

    private static RotaryFrequencies longRope(
            double[] plain, RopeScaling.LongRope scaling, int positions) {
        List<Double> factors =
                positions > scaling.originalContext()
                        ? scaling.longFactors()
                        : scaling.shortFactors();
        double attention =
                scaling.factor() <= 1
                        ? 1
                        : Math.sqrt(
                                1
                                        + Math.log(scaling.factor())
                                                / Math.log(scaling.originalContext()));
        return new RotaryFrequencies(
                divided(plain, factors).inverse(), scaling.attentionFactor().orElse(attention));
    }
}
