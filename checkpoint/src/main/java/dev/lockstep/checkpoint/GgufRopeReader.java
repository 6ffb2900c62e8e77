// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/// A reader of rope in GGUF metadata and in the tensors of its divisors.
///
/// @param tensors by their Hugging Face names
record GgufRopeReader(
        GgufMetadata metadata, Map<String, StoredTensor> tensors, String architecture) {
    private static final double DEFAULT_THETA = 10_000;
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    RopeConfig rope(int headDim, int context) {
        return new RopeConfig(
                metadata.number(key("rope.freq_base")).orElse(DEFAULT_THETA),
                size("rope.dimension_count").orElse(headDim),
                scaling(context));
    }

    /// Returns the rope of windowed layers. Gemma 3 has a separate base for them, which older files
    /// omit.
    RopeConfig windowRope(RopeConfig rope) {
        if (!architecture.equals("gemma3")) {
            return rope;
        }
        double theta = metadata.number(key("rope.freq_base_swa")).orElse(DEFAULT_THETA);
        return new RopeConfig(theta, rope.rotaryDim(), new RopeScaling.None());
    }

    /// Returns the scaling, as llama.cpp applies it: a factor without a type is linear, and the
    /// divisors of a tensor come on top of it.
    private RopeScaling scaling(int context) {
        int original = size("rope.scaling.original_context_length").orElse(context);
        RopeScaling scaling = scaling(original, context);
        return tensors.containsKey("rope_freqs.weight")
                ? new RopeScaling.Divisors(values("rope_freqs.weight"), scaling)
                : scaling;
    }

    private RopeScaling scaling(int original, int context) {
        String type = metadata.text(key("rope.scaling.type")).orElse("linear");
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
                    throw metadata.wrong(
                            key("rope.scaling.type"), type, "none, linear, yarn or longrope");
        };
    }

    /// Returns LongRoPE. Files of Phi-3 have the factors as tensors and do not name the type.
    private RopeScaling longRope(int original, int context, double factor) {
        return new RopeScaling.LongRope(
                times(values("rope_factors_short.weight"), factor),
                times(values("rope_factors_long.weight"), factor),
                original,
                (double) context / original,
                metadata.number(key("rope.scaling.attn_factor")));
    }

    private RopeScaling yarn(int original) {
        // llama.cpp multiplies YaRN's own factor by this; every known file sets it to 1.
        double attention = metadata.number(key("rope.scaling.attn_factor")).orElse(1);
        if (attention != 1) {
            throw metadata.wrong(key("rope.scaling.attn_factor"), attention, "1");
        }
        // llama.cpp divides the attention factor of such a file by
        // `0.1 · multiplier · ln(factor) + 1`; only 1 is known, where the two cancel.
        OptionalDouble multiplier = metadata.number(key("rope.scaling.yarn_log_multiplier"));
        if (multiplier.isPresent() && multiplier.getAsDouble() != 1) {
            throw metadata.wrong(
                    key("rope.scaling.yarn_log_multiplier"), multiplier.getAsDouble(), "1");
        }
        return new RopeScaling.Yarn(
                scalingFactor().orElseThrow(() -> metadata.missing(key("rope.scaling.factor"))),
                original,
                metadata.number(key("rope.scaling.yarn_beta_fast")).orElse(32),
                metadata.number(key("rope.scaling.yarn_beta_slow")).orElse(1),
                OptionalDouble.empty(),
                multiplier,
                multiplier,
                true);
    }

    /// Returns the factor, which older files have under another name; 0 means none.
    private OptionalDouble scalingFactor() {
        for (String name : List.of("rope.scaling.factor", "rope.scale_linear")) {
            OptionalDouble factor = metadata.number(key(name));
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
                    "%s: tensor %s of type F32 is missing".formatted(metadata.path(), name));
        }
        List<Double> values = new ArrayList<>();
        for (long at = 0; at < tensor.data().byteSize(); at += 4) {
            values.add((double) tensor.data().get(FLOAT, at));
        }
        return values;
    }

    private Optional<Integer> size(String name) {
        return metadata.size(key(name));
    }

    private String key(String name) {
        return architecture + "." + name;
    }
}
