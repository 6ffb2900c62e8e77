// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/// A writer of rope as GGUF files say it: keys, and tensors of divisors where each frequency has
/// its own.
///
/// @param architecture the first part of the keys
record GgufRopeWriter(GgufHeader header, String architecture) {

    /// Writes the keys and returns the divisors by the names of their tensors.
    ///
    /// @return the rope as a reader of the file finds it: Llama 3's scaling as divisors
    Written write(RopeConfig rope, int context) {
        header.put(key("rope.freq_base"), (float) rope.theta());
        header.put(key("rope.dimension_count"), rope.rotaryDim());
        Map<String, List<Float>> tensors = new LinkedHashMap<>();
        RopeScaling scaling =
                switch (rope.scaling()) {
                    case RopeScaling.None none -> none;
                    case RopeScaling.Linear linear -> {
                        header.put(key("rope.scaling.type"), "linear");
                        header.put(key("rope.scaling.factor"), (float) linear.factor());
                        yield linear;
                    }
                    case RopeScaling.Llama3 llama3 -> {
                        List<Float> divisors = divisors(rope, llama3);
                        tensors.put("rope_freqs.weight", divisors);
                        yield new RopeScaling.Divisors(doubles(divisors), new RopeScaling.None());
                    }
                    case RopeScaling.Yarn yarn -> yarn(yarn);
                    case RopeScaling.LongRope longRope -> {
                        tensors.put("rope_factors_long.weight", floats(longRope.longFactors()));
                        tensors.put("rope_factors_short.weight", floats(longRope.shortFactors()));
                        yield longRope(longRope, context);
                    }
                    case RopeScaling.Divisors divisors -> divisors;
                    case RopeScaling.Dynamic dynamic -> dynamic;
                    case RopeScaling.Proportional proportional -> {
                        tensors.put("rope_freqs.weight", divisors(rope, proportional));
                        yield proportional;
                    }
                };
        return new Written(new RopeConfig(rope.theta(), rope.rotaryDim(), scaling), tensors);
    }

    /// A rope that was written.
    ///
    /// @param rope as a reader finds it, unless GGUF cannot say it
    record Written(RopeConfig rope, Map<String, List<Float>> tensors) {}

    private RopeScaling yarn(RopeScaling.Yarn yarn) {
        header.put(key("rope.scaling.type"), "yarn");
        header.put(key("rope.scaling.factor"), (float) yarn.factor());
        header.put(key("rope.scaling.original_context_length"), yarn.originalContext());
        header.put(key("rope.scaling.yarn_beta_fast"), (float) yarn.betaFast());
        header.put(key("rope.scaling.yarn_beta_slow"), (float) yarn.betaSlow());
        if (architecture.equals("mistral3") && yarn.mscaleAllDim().isPresent()) {
            header.put(
                    key("rope.scaling.yarn_log_multiplier"),
                    (float) yarn.mscaleAllDim().getAsDouble());
        }
        boolean isDefault =
                yarn.attentionFactor().isPresent()
                        && Math.abs(
                                        yarn.attentionFactor().getAsDouble()
                                                - (0.1 * Math.log(yarn.factor()) + 1))
                                < 1e-9;
        return new RopeScaling.Yarn(
                yarn.factor(),
                yarn.originalContext(),
                yarn.betaFast(),
                yarn.betaSlow(),
                isDefault ? OptionalDouble.empty() : yarn.attentionFactor(),
                yarn.mscale(),
                yarn.mscaleAllDim(),
                yarn.truncate());
    }

    private RopeScaling longRope(RopeScaling.LongRope scaling, int context) {
        int original = scaling.originalContext();
        double factor = (double) context / original;
        double attention =
                scaling.attentionFactor()
                        .orElse(
                                scaling.factor() <= 1
                                        ? 1
                                        : Math.sqrt(
                                                1
                                                        + Math.log(scaling.factor())
                                                                / Math.log(original)));
        header.put(key("rope.scaling.original_context_length"), original);
        header.put(key("rope.scaling.attn_factor"), (float) attention);
        return new RopeScaling.LongRope(
                doubles(floats(scaling.shortFactors())),
                doubles(floats(scaling.longFactors())),
                original,
                factor,
                OptionalDouble.of(attention));
    }

    /// Returns what each frequency is divided by.
    private static List<Float> divisors(RopeConfig rope, RopeScaling.Llama3 scaling) {
        double low = scaling.lowFrequencyFactor();
        double high = scaling.highFrequencyFactor();
        List<Float> divisors = new ArrayList<>();
        for (int i = 0; i < rope.rotaryDim(); i += 2) {
            double frequency = Math.pow(rope.theta(), -(double) i / rope.rotaryDim());
            double turns = scaling.originalContext() * frequency / (2 * Math.PI);
            double keep = Math.clamp((turns - low) / (high - low), 0, 1);
            divisors.add((float) (1 / (keep + (1 - keep) / scaling.factor())));
        }
        return divisors;
    }

    /// Returns what each frequency is divided by, so that pairs that are not rotated stay.
    private static List<Float> divisors(RopeConfig rope, RopeScaling.Proportional scaling) {
        List<Float> divisors = new ArrayList<>();
        for (int pair = 0; pair < rope.rotaryDim() / 2; pair++) {
            divisors.add(
                    pair < scaling.rotated()
                            ? (float) scaling.factor()
                            : GgufRopeReader.NOT_ROTATED);
        }
        return divisors;
    }

    private static List<Float> floats(List<Double> values) {
        return values.stream().map(Double::floatValue).toList();
    }

    private static List<Double> doubles(List<Float> values) {
        return values.stream().map(Float::doubleValue).toList();
    }

    private String key(String name) {
        return architecture + "." + name;
    }
}
