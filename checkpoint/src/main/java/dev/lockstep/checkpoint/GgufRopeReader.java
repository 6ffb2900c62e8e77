// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;

/// A reader of rope in GGUF metadata and in the tensors of its divisors.
///
/// @param tensors by their Hugging Face names
record GgufRopeReader(ArchitectureKeys keys, Map<String, StoredTensor> tensors) {
    private static final double DEFAULT_THETA = 10_000;
    private static final String DIVISORS = "rope_freqs.weight";

    /// The divisor of a frequency with which no position of a text rotates.
    static final float NOT_ROTATED = 1e30f;

    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    RopeConfig rope(int headDim, int context) {
        int rotaryDim = keys.size("rope.dimension_count").orElse(headDim);
        return new RopeConfig(
                keys.number("rope.freq_base").orElse(DEFAULT_THETA),
                rotaryDim,
                scaling(rotaryDim, context));
    }

    /// Returns the rope of windowed layers, which in OLMo 3 is not scaled. Gemma 3 and ModernBERT
    /// have a separate base for them, which older files omit.
    ///
    /// @param headDim of windowed layers
    RopeConfig windowRope(RopeConfig rope, int headDim) {
        return switch (keys.architecture()) {
            case "gemma3", "gemma3n", "gemma-embedding", "modern-bert" ->
                    new RopeConfig(
                            keys.number("rope.freq_base_swa").orElse(DEFAULT_THETA),
                            rope.rotaryDim(),
                            new RopeScaling.None());
            case "gemma4" ->
                    new RopeConfig(
                            keys.number("rope.freq_base_swa").orElse(DEFAULT_THETA),
                            keys.size("rope.dimension_count_swa").orElse(headDim),
                            new RopeScaling.None());
            case "olmo2" -> new RopeConfig(rope.theta(), rope.rotaryDim(), new RopeScaling.None());
            default -> rope;
        };
    }

    /// Returns the scaling, as llama.cpp applies it: a factor without a type is linear, and the
    /// divisors of a tensor come on top of it.
    private RopeScaling scaling(int rotaryDim, int context) {
        int original = keys.size("rope.scaling.original_context_length").orElse(context);
        RopeScaling scaling = typed(original, context);
        if (!tensors.containsKey(DIVISORS)) {
            return scaling;
        }
        List<Double> divisors = values(DIVISORS);
        return keys.architecture().equals("gemma4") && scaling instanceof RopeScaling.None
                ? proportional(divisors, rotaryDim)
                : new RopeScaling.Divisors(divisors, scaling);
    }

    /// Returns the rope of a part of the pairs: in files of Gemma 4 the others have the divisor
    /// 1e30.
    private RopeScaling proportional(List<Double> divisors, int rotaryDim) {
        if (divisors.size() != rotaryDim / 2 || divisors.isEmpty()) {
            throw new CheckpointException(
                    "%s: tensor %s has %d values, expected one for each of %d pairs of dimensions"
                            .formatted(
                                    keys.metadata().path(),
                                    DIVISORS,
                                    divisors.size(),
                                    rotaryDim / 2));
        }
        int rotated = (int) divisors.stream().filter(each -> each < NOT_ROTATED).count();
        double factor = divisors.getFirst();
        for (int i = 0; i < divisors.size(); i++) {
            if (i < rotated ? divisors.get(i) != factor : divisors.get(i) < NOT_ROTATED) {
                throw new CheckpointException(
                        "%s: tensor %s has %s after %s: one divisor and then 1e30 is known in gemma4"
                                .formatted(
                                        keys.metadata().path(),
                                        DIVISORS,
                                        divisors.get(i),
                                        divisors.subList(0, i)));
            }
        }
        return new RopeScaling.Proportional(rotated, factor);
    }

    private RopeScaling typed(int original, int context) {
        String type = keys.metadata().text(keys.key("rope.scaling.type")).orElse("linear");
        double factor = type.equals("none") ? 1 : scalingFactor().orElse(1);
        if (tensors.containsKey("rope_factors_long.weight") && !type.equals("yarn")) {
            return longRope(original, context, factor);
        }
        return switch (type) {
            case "none" -> new RopeScaling.None();
            case "linear" -> factor == 1 ? new RopeScaling.None() : new RopeScaling.Linear(factor);
            case "yarn" -> yarn(original);
            case "longrope" -> longRope(original, context, factor);
            default ->
                    throw keys.wrong("rope.scaling.type", type, "none, linear, yarn or longrope");
        };
    }

    /// Returns LongRoPE. Files of Phi-3 have the factors as tensors and do not name the type.
    private RopeScaling longRope(int original, int context, double factor) {
        return new RopeScaling.LongRope(
                times(values("rope_factors_short.weight"), factor),
                times(values("rope_factors_long.weight"), factor),
                original,
                (double) context / original,
                keys.number("rope.scaling.attn_factor"));
    }

    private RopeScaling yarn(int original) {
        // llama.cpp multiplies YaRN's own factor by this; every known file sets it to 1.
        double attention = keys.number("rope.scaling.attn_factor").orElse(1);
        if (attention != 1) {
            throw keys.wrong("rope.scaling.attn_factor", attention, "1");
        }
        OptionalDouble multiplier = logMultiplier();
        return new RopeScaling.Yarn(
                scalingFactor().orElseThrow(() -> keys.missing("rope.scaling.factor")),
                original,
                keys.number("rope.scaling.yarn_beta_fast").orElse(32),
                keys.number("rope.scaling.yarn_beta_slow").orElse(1),
                OptionalDouble.empty(),
                multiplier,
                multiplier,
                // The ramp of gpt-oss has borders between dimensions, which no key states.
                !keys.architecture().equals("gpt-oss"));
    }

    /// Returns what is called `mscale_all_dim` elsewhere. llama.cpp divides the attention factor by
    /// `0.1 · multiplier · ln(factor) + 1`; where another factor takes its place only 1 is known,
    /// with which the two cancel.
    private OptionalDouble logMultiplier() {
        if (keys.architecture().equals("deepseek2")) {
            return OptionalDouble.of(GgufLatentReader.mscale(keys));
        }
        String name = "rope.scaling.yarn_log_multiplier";
        OptionalDouble multiplier = keys.number(name);
        if (multiplier.isPresent() && multiplier.getAsDouble() != 1) {
            throw keys.wrong(name, multiplier.getAsDouble(), "1");
        }
        return multiplier;
    }

    /// Returns the factor, which older files have under another name; 0 means none.
    private OptionalDouble scalingFactor() {
        for (String name : List.of("rope.scaling.factor", "rope.scale_linear")) {
            OptionalDouble factor = keys.number(name);
            if (factor.isPresent() && factor.getAsDouble() != 0) {
                return factor;
            }
        }
        return OptionalDouble.empty();
    }

    private static List<Double> times(List<Double> values, double factor) {
        return values.stream().map(value -> value * factor).toList();
    }

    private List<Double> values(String name) {
        StoredTensor tensor = tensors.get(name);
        if (tensor == null || !tensor.typeName().equals("F32")) {
            throw new CheckpointException(
                    "%s: tensor %s of type F32 is missing".formatted(keys.metadata().path(), name));
        }
        List<Double> values = new ArrayList<>();
        for (long at = 0; at < tensor.data().byteSize(); at += 4) {
            values.add((double) tensor.data().get(FLOAT, at));
        }
        return values;
    }
}
