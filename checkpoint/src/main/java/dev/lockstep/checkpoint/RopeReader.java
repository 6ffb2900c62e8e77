// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;

/// A reader of rope in `config.json`: `rope_parameters`, flat or keyed by layer type, or the older
/// `rope_theta`, `rope_local_base_freq` and `rope_scaling`.
record RopeReader(JsonObject config, int headDim, int context) {
    private static final double DEFAULT_THETA = 10_000;

    RopeConfig rope() {
        return rope("full_attention", config.number("rope_theta").orElse(DEFAULT_THETA));
    }

    /// Returns the rope of windowed layers. Older Gemma 3 has a separate base for them and leaves
    /// them unscaled.
    RopeConfig windowRope() {
        if (parameters().isEmpty() && config.has("rope_local_base_freq")) {
            double theta = config.requireNumber("rope_local_base_freq");
            return new RopeConfig(theta, rotaryDim(config), new RopeScaling.None());
        }
        return rope("sliding_attention", config.number("rope_theta").orElse(DEFAULT_THETA));
    }

    private RopeConfig rope(String layerType, double defaultTheta) {
        Optional<JsonObject> parameters = parameters();
        if (parameters.isEmpty()) {
            Optional<JsonObject> scaling = config.object("rope_scaling");
            return new RopeConfig(
                    defaultTheta,
                    rotaryDim(config),
                    scaling.map(this::scaling).orElse(new RopeScaling.None()));
        }
        JsonObject own =
                parameters.get().has(layerType)
                        ? parameters.get().object(layerType).orElseThrow()
                        : parameters.get();
        return new RopeConfig(
                own.number("rope_theta").orElse(defaultTheta), rotaryDim(own), scaling(own));
    }

    private Optional<JsonObject> parameters() {
        return config.object("rope_parameters");
    }

    private int rotaryDim(JsonObject nearest) {
        double factor =
                nearest.number("partial_rotary_factor")
                        .orElse(config.number("partial_rotary_factor").orElse(1));
        return (int) (headDim * factor);
    }

    private RopeScaling scaling(JsonObject source) {
        String type = source.text("rope_type", "type").orElse("default");
        return switch (type) {
            case "default" -> new RopeScaling.None();
            case "linear" -> new RopeScaling.Linear(source.requireNumber("factor"));
            case "dynamic" ->
                    new RopeScaling.Dynamic(
                            source.requireNumber("factor"), originalContext(source));
            case "llama3" ->
                    new RopeScaling.Llama3(
                            source.requireNumber("factor"),
                            source.requireNumber("low_freq_factor"),
                            source.requireNumber("high_freq_factor"),
                            source.requireInteger("original_max_position_embeddings"));
            case "yarn" -> yarn(source);
            case "longrope", "su" -> longRope(source);
            default ->
                    throw source.wrong(
                            source.has("rope_type") ? "rope_type" : "type",
                            type,
                            "one of default, linear, dynamic, llama3, yarn, longrope");
        };
    }

    private RopeScaling yarn(JsonObject source) {
        return new RopeScaling.Yarn(
                source.requireNumber("factor"),
                originalContext(source),
                source.number("beta_fast").orElse(32),
                source.number("beta_slow").orElse(1),
                source.number("attention_factor"),
                source.number("mscale"),
                source.number("mscale_all_dim"),
                source.flag("truncate").orElse(true));
    }

    private RopeScaling longRope(JsonObject source) {
        int original = originalContext(source);
        List<Double> shortFactors = source.numbers("short_factor");
        List<Double> longFactors = source.numbers("long_factor");
        requireCount(source, "short_factor", shortFactors);
        requireCount(source, "long_factor", longFactors);
        return new RopeScaling.LongRope(
                shortFactors,
                longFactors,
                original,
                source.number("factor").orElse((double) context / original),
                source.number("attention_factor"));
    }

    private void requireCount(JsonObject source, String key, List<Double> factors) {
        int expected = rotaryDim(source) / 2;
        if (factors.size() != expected) {
            throw source.wrong(
                    key, factors.size() + " numbers", expected + ", half the rotary size");
        }
    }

    private int originalContext(JsonObject source) {
        int original =
                source.integer("original_max_position_embeddings")
                        .orElse(config.integer("original_max_position_embeddings").orElse(context));
        if (original < 1) {
            throw source.wrong("original_max_position_embeddings", original, "a positive number");
        }
        return original;
    }
}
