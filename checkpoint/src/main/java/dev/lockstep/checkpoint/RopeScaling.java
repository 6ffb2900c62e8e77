// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.OptionalDouble;

/// The scaling of rope's frequencies for contexts longer than those trained first.
public sealed interface RopeScaling {
    /// Returns the number of positions up to which a model of `context` configured positions can be
    /// served, at least `context`.
    ///
    /// Linear, dynamic and YaRN scaling are also added to a finished model, whose configured
    /// context stays that of its training. The context of the other scalings, and that of a YaRN
    /// model with an original context below it, includes the scaling already.
    default int reach(int context) {
        return context;
    }

    /// Plain rope.
    record None() implements RopeScaling {}

    /// Only a part of the pairs of a head is rotated, its first `rotated`, with the frequencies
    /// that they have in the whole head.
    record Proportional(int rotated, double factor) implements RopeScaling {
        public Proportional {
            requirePositive("rotated pairs", rotated);
            requirePositive("factor", factor);
        }
    }

    /// Positions divided by `factor`.
    record Linear(double factor) implements RopeScaling {
        public Linear {
            requirePositive("factor", factor);
        }

        @Override
        public int reach(int context) {
            return times(context, factor, context);
        }
    }

    /// The base grows once a sequence is longer than `originalContext`.
    record Dynamic(double factor, int originalContext) implements RopeScaling {
        public Dynamic {
            requirePositive("factor", factor);
            requirePositive("original context", originalContext);
        }

        @Override
        public int reach(int context) {
            return times(originalContext, factor, context);
        }
    }

    /// Llama 3: low frequencies divided by `factor`, high ones kept, a ramp between.
    record Llama3(
            double factor,
            double lowFrequencyFactor,
            double highFrequencyFactor,
            int originalContext)
            implements RopeScaling {
        public Llama3 {
            requirePositive("factor", factor);
            requirePositive("low frequency factor", lowFrequencyFactor);
            requirePositive("original context", originalContext);
            if (!(highFrequencyFactor > lowFrequencyFactor)) {
                throw new IllegalArgumentException(
                        "rope high frequency factor %s is not above the low one, %s"
                                .formatted(highFrequencyFactor, lowFrequencyFactor));
            }
        }
    }

    /// YaRN. `attentionFactor`, when absent, is `0.1 ln(factor) + 1`, or the ratio of the two
    /// `mscale` values put into the same formula when both are given.
    ///
    /// @param truncate whether the ramp's borders are rounded to whole dimensions
    record Yarn(
            double factor,
            int originalContext,
            double betaFast,
            double betaSlow,
            OptionalDouble attentionFactor,
            OptionalDouble mscale,
            OptionalDouble mscaleAllDim,
            boolean truncate)
            implements RopeScaling {
        public Yarn {
            requirePositive("factor", factor);
            requirePositive("original context", originalContext);
            requirePositive("beta_fast", betaFast);
            requirePositive("beta_slow", betaSlow);
        }

        @Override
        public int reach(int context) {
            return times(originalContext, factor, context);
        }
    }

    /// LongRoPE: every frequency has its own divisor, from `longFactors` when the context in use is
    /// longer than `originalContext`.
    record LongRope(
            List<Double> shortFactors,
            List<Double> longFactors,
            int originalContext,
            double factor,
            OptionalDouble attentionFactor)
            implements RopeScaling {
        public LongRope {
            shortFactors = List.copyOf(shortFactors);
            longFactors = List.copyOf(longFactors);
            requirePositive("original context", originalContext);
            requirePositive("factor", factor);
            shortFactors.forEach(value -> requirePositive("short_factor", value));
            longFactors.forEach(value -> requirePositive("long_factor", value));
        }
    }

    /// Every frequency divided by its own factor, after another scaling: the form of Llama 3
    /// scaling in GGUF files.
    record Divisors(List<Double> factors, RopeScaling scaled) implements RopeScaling {
        public Divisors {
            factors = List.copyOf(factors);
            factors.forEach(value -> requirePositive("factor", value));
        }

        @Override
        public int reach(int context) {
            return scaled.reach(context);
        }
    }

    /// Returns `positions · factor`, at least `min`.
    private static int times(int positions, double factor, int min) {
        return (int) Math.max(min, Math.min(ModelConfig.MAX_CONTEXT, positions * factor));
    }

    private static void requirePositive(String what, double value) {
        if (!(value > 0) || Double.isInfinite(value)) {
            throw new IllegalArgumentException(
                    "rope scaling " + what + " " + value + " is not positive and finite");
        }
    }
}
