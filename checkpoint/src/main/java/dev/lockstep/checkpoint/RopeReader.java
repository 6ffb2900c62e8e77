// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;

/// A reader of rope in `config.json`: `rope_parameters`, flat or keyed by layer type, or the older
/// `rope_theta`, `rope_local_base_freq` and `rope_scaling`, or the names of some encoders.
///
/// Any other key of a rope may change its angles and is refused.
record RopeReader(JsonObject config, int headDim, int context) {
    private static final double DEFAULT_THETA = 10_000;

    /// The key of [PositionConfig.QueryScale], which only some families read.
    static final String QUERY_SCALE = "llama_4_scaling_beta";

    private static final Set<String> LAYER_TYPES = Set.of("full_attention", "sliding_attention");

    private static final Set<String> KNOWN =
            Set.of(
                    "attention_factor",
                    "beta_fast",
                    "beta_slow",
                    "factor",
                    "finetuned",
                    "high_freq_factor",
                    "long_factor",
                    "low_freq_factor",
                    "max_position_embeddings",
                    "mrope_interleaved",
                    "mrope_section",
                    "mscale",
                    "mscale_all_dim",
                    "original_max_position_embeddings",
                    "partial_rotary_factor",
                    "rope_theta",
                    "rope_type",
                    "short_factor",
                    "truncate",
                    "type");

    /// Returns the keys that a file has for the rope of all layers, in either layout.
    static Optional<JsonObject> keys(JsonObject config) {
        return config.object("rope_parameters").or(() -> config.object("rope_scaling"));
    }

    RopeConfig rope() {
        return rope(
                "full_attention",
                config.number("rope_theta", "global_rope_theta", "rotary_emb_base")
                        .orElse(
                                switch (modelType()) {
                                    case "modernbert" -> 160_000;
                                    case "nomic_bert" -> 1000;
                                    default -> DEFAULT_THETA;
                                }));
    }

    /// Returns the rope of windowed layers. In the older layout Gemma 3 has a separate base for
    /// them, and both Gemma 3 and OLMo 3 leave them unscaled.
    RopeConfig windowRope() {
        OptionalDouble local = config.number("rope_local_base_freq", "local_rope_theta");
        if (parameters().isEmpty() && local.isPresent()) {
            double theta = local.getAsDouble();
            return new RopeConfig(theta, rotaryDim(config), new RopeScaling.None());
        }
        if (parameters().isEmpty() && modelType().equals("olmo3")) {
            RopeConfig full = rope();
            return new RopeConfig(full.theta(), full.rotaryDim(), new RopeScaling.None());
        }
        return rope("sliding_attention", config.number("rope_theta").orElse(DEFAULT_THETA));
    }

    private RopeConfig rope(String layerType, double defaultTheta) {
        Optional<JsonObject> parameters = parameters();
        if (parameters.isEmpty()) {
            Optional<JsonObject> scaling = config.object("rope_scaling");
            scaling.ifPresent(each -> requireKnown(each, known()));
            return new RopeConfig(
                    scaling.map(each -> stretched(each, defaultTheta)).orElse(defaultTheta),
                    rotaryDim(config),
                    scaling.map(this::scaling).orElse(new RopeScaling.None()));
        }
        JsonObject own = ofLayers(parameters.get(), layerType);
        requireKnown(own, known());
        double theta = own.number("rope_theta").orElse(defaultTheta);
        return new RopeConfig(stretched(own, theta), rotaryDim(own), scaling(own));
    }

    private boolean isStretching() {
        return modelType().startsWith("hunyuan");
    }

    /// Returns the base of the frequencies; Hunyuan's `alpha` multiplies it by `alpha^(d / (d -
    /// 2))` for heads of d dimensions, whatever the length, and its `dynamic` means that. That of
    /// `ntk` grows by the factor.
    private double stretched(JsonObject source, double theta) {
        if (isNtk(source)) {
            return theta * source.requireNumber("factor");
        }
        return isStretching() && source.has("alpha")
                ? theta * Math.pow(source.requireNumber("alpha"), (double) headDim / (headDim - 2))
                : theta;
    }

    /// Whether frequencies are those of NTK scaling with a base (Su 2023): `(factor · base)^(-2i/d)
    /// / factor^(2/d)`, for pair i of heads of d dimensions.
    private boolean isNtk(JsonObject source) {
        return EncoderReader.isGte(config)
                && source.text("rope_type", "type").orElse("").equals("ntk");
    }

    /// Returns the part of `rope_parameters` that applies to layers of a type.
    private static JsonObject ofLayers(JsonObject parameters, String layerType) {
        boolean keyed = LAYER_TYPES.stream().anyMatch(type -> parameters.node().has(type));
        if (!keyed) {
            return parameters;
        }
        requireKnown(parameters, LAYER_TYPES);
        // A model may have layers of one type only.
        String other = LAYER_TYPES.stream().filter(parameters::has).findFirst().orElse(layerType);
        String key = parameters.node().has(layerType) ? layerType : other;
        return parameters
                .object(key)
                .orElseThrow(
                        () ->
                                parameters.wrong(
                                        key, "null", "a rope: layers without rope are unknown"));
    }

    private Set<String> known() {
        Set<String> known = new HashSet<>(KNOWN);
        if (Set.of("ministral3", "mistral4").contains(modelType())) {
            known.add(QUERY_SCALE);
        }
        if (isStretching()) {
            known.add("alpha");
        }
        return known;
    }

    private String modelType() {
        return config.text("model_type").orElse("");
    }

    private static void requireKnown(JsonObject object, Set<String> known) {
        for (Map.Entry<String, JsonNode> entry : object.entries()) {
            if (!known.contains(entry.getKey()) && ConfigKeys.matters(entry.getValue())) {
                throw object.wrong(
                        entry.getKey(), entry.getValue(), "none: nothing is known of this key");
            }
        }
    }

    /// Returns `rope_parameters`. `rope_scaling` beside it, as for an older release of
    /// transformers, must agree with it.
    private Optional<JsonObject> parameters() {
        Optional<JsonObject> parameters = config.object("rope_parameters");
        if (parameters.isPresent() && config.has("rope_scaling")) {
            JsonObject older = config.object("rope_scaling").orElseThrow();
            for (Map.Entry<String, JsonNode> entry : older.entries()) {
                String key = entry.getKey().equals("type") ? "rope_type" : entry.getKey();
                JsonNode newer = parameters.get().node().path(key);
                if (!entry.getValue().equals(RopeReader::compare, newer)) {
                    throw older.wrong(
                            entry.getKey(),
                            entry.getValue(),
                            "the value of rope_parameters.%s: rope_parameters replaces rope_scaling, move the key into it"
                                    .formatted(key));
                }
            }
        }
        return parameters;
    }

    /// Returns 0 for equal values: 4 and 4.0 are.
    private static int compare(JsonNode a, JsonNode b) {
        if (a.isNumber() && b.isNumber()) {
            return a.decimalValue().compareTo(b.decimalValue());
        }
        return a.equals(b) ? 0 : 1;
    }

    private int rotaryDim(JsonObject nearest) {
        // Its factor counts the dimensions without a rope, which latent attention has apart.
        if (modelType().equals("mistral4")) {
            return headDim;
        }
        if (nearest.text("rope_type", "type").orElse("").equals("proportional")) {
            return headDim;
        }
        if (!nearest.has("partial_rotary_factor") && config.has("rotary_dim")) {
            return config.requireInteger("rotary_dim");
        }
        double factor =
                nearest.number("partial_rotary_factor")
                        .orElse(config.number("partial_rotary_factor").orElse(1));
        return (int) (headDim * factor);
    }

    private RopeScaling scaling(JsonObject source) {
        String type = source.text("rope_type", "type").orElse("default");
        if (isNtk(source)) {
            // Not linear scaling, which reaches beyond the configured context.
            double divisor = Math.pow(source.requireNumber("factor"), 2.0 / headDim);
            return new RopeScaling.Divisors(
                    Collections.nCopies(headDim / 2, divisor), new RopeScaling.None());
        }
        return switch (type) {
            case "default" -> new RopeScaling.None();
            case "linear" -> new RopeScaling.Linear(source.requireNumber("factor"));
            case "proportional" ->
                    new RopeScaling.Proportional(
                            (int) (source.number("partial_rotary_factor").orElse(1) * headDim / 2),
                            source.number("factor").orElse(1));
            case "dynamic" ->
                    isStretching() && source.has("alpha")
                            ? new RopeScaling.None()
                            : new RopeScaling.Dynamic(source.requireNumber("factor"), context);
            case "llama3" ->
                    new RopeScaling.Llama3(
                            source.requireNumber("factor"),
                            source.requireNumber("low_freq_factor"),
                            source.requireNumber("high_freq_factor"),
                            originalContext(source));
            case "yarn" -> yarn(source);
            case "longrope", "su" -> longRope(source);
            default ->
                    throw source.wrong(
                            source.has("rope_type") ? "rope_type" : "type",
                            type,
                            "one of default, linear, proportional, dynamic, llama3, yarn, longrope");
        };
    }

    private RopeScaling yarn(JsonObject source) {
        int original = originalContext(source);
        OptionalDouble factor = source.number("factor");
        if (factor.isEmpty() && original == context) {
            throw source.missing("factor");
        }
        return new RopeScaling.Yarn(
                factor.orElse((double) context / original),
                original,
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

    /// Returns the context of the first training. The model's own key comes before that of the
    /// rope, as in transformers.
    private int originalContext(JsonObject source) {
        int original =
                config.integer("original_max_position_embeddings")
                        .orElse(source.integer("original_max_position_embeddings").orElse(context));
        if (original < 1) {
            throw source.wrong("original_max_position_embeddings", original, "a positive number");
        }
        return original;
    }
}
