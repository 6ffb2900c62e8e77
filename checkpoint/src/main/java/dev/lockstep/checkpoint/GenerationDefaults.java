// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/// The sampling values that a model's authors recommend; a request without a value of its own uses
/// them.
///
/// They are in `generation_config.json`, or in the `general.sampling.*` keys of a GGUF file. Each
/// has the range of the same field of a request.
///
/// @param temperature 0 always chooses the most likely token
/// @param topK 0 for all tokens
public record GenerationDefaults(
        double temperature, int topK, double topP, double minP, double repetitionPenalty) {
    public static final double MAX_TEMPERATURE = 2;

    /// 1 has no effect, and far larger penalties leave no token to choose.
    public static final double MAX_REPETITION_PENALTY = 1000;

    /// The defaults of a model that recommends nothing: those of the OpenAI API.
    public static final GenerationDefaults NONE = new GenerationDefaults(1, 0, 1, 0, 1);

    /// Reads the values of a model; a value outside its range is refused with file, name and range.
    public static GenerationDefaults of(TokenizerSource source) {
        return switch (source) {
            case TokenizerSource.Folder folder ->
                    folder.generationConfig().map(GenerationDefaults::ofFile).orElse(NONE);
            case TokenizerSource.Gguf gguf -> of(new GgufValues(gguf.metadata()));
        };
    }

    private static GenerationDefaults ofFile(Path file) {
        JsonObject config = JsonObject.read(file);
        GenerationDefaults values = of(new JsonValues(config));
        // The file's way to say "greedy"; its temperature is then unused, and often present.
        return config.flag("do_sample").orElse(true) ? values : values.greedy();
    }

    private static GenerationDefaults of(Values values) {
        return new GenerationDefaults(
                values.within("temperature", 0, MAX_TEMPERATURE, NONE.temperature),
                topK(values),
                values.within("top_p", 0, 1, NONE.topP),
                values.within("min_p", 0, 1, NONE.minP),
                values.positive(
                        "repetition_penalty", MAX_REPETITION_PENALTY, NONE.repetitionPenalty));
    }

    /// Returns the value of `top_k`; -1 stands for all tokens, as in requests.
    private static int topK(Values values) {
        double value = values.within("top_k", -1, Integer.MAX_VALUE, NONE.topK);
        if (value != Math.rint(value)) {
            throw values.wrong("top_k", value, "a whole number");
        }
        return Math.max(0, (int) value);
    }

    private GenerationDefaults greedy() {
        return new GenerationDefaults(0, topK, topP, minP, repetitionPenalty);
    }

    /// Returns the values that differ from [#NONE], such as `temperature 0.6, top_p 0.95`; empty if
    /// there are none.
    public String describe() {
        List<String> words = new ArrayList<>();
        add(words, "temperature", temperature, NONE.temperature);
        if (topK != NONE.topK) {
            words.add("top_k " + topK);
        }
        add(words, "top_p", topP, NONE.topP);
        add(words, "min_p", minP, NONE.minP);
        add(words, "repetition_penalty", repetitionPenalty, NONE.repetitionPenalty);
        return String.join(", ", words);
    }

    private static void add(List<String> words, String name, double value, double unset) {
        if (value != unset) {
            words.add(name + " " + value);
        }
    }

    /// Numbers by the names of `generation_config.json`.
    private interface Values {
        OptionalDouble find(String name);

        CheckpointException wrong(String name, Object value, String expected);

        default double within(String name, double min, double max, double unset) {
            OptionalDouble value = find(name);
            // NaN is outside every range.
            if (value.isPresent() && !(value.getAsDouble() >= min && value.getAsDouble() <= max)) {
                throw wrong(
                        name,
                        value.getAsDouble(),
                        "a number from %s to %s".formatted(plain(min), plain(max)));
            }
            return value.orElse(unset);
        }

        default double positive(String name, double max, double unset) {
            double value = within(name, 0, max, unset);
            if (value == 0) {
                throw wrong(name, value, "a number above 0 and up to " + plain(max));
            }
            return value;
        }

        private static String plain(double number) {
            return String.valueOf((long) number);
        }
    }

    private record JsonValues(JsonObject config) implements Values {
        @Override
        public OptionalDouble find(String name) {
            return config.number(name);
        }

        @Override
        public CheckpointException wrong(String name, Object value, String expected) {
            return config.wrong(name, value, expected + REMEDY);
        }
    }

    private record GgufValues(GgufMetadata metadata) implements Values {
        @Override
        public OptionalDouble find(String name) {
            return metadata.number(key(name));
        }

        @Override
        public CheckpointException wrong(String name, Object value, String expected) {
            return metadata.wrong(key(name), value, expected + REMEDY);
        }

        private static String key(String name) {
            return "general.sampling."
                    + switch (name) {
                        case "temperature" -> "temp";
                        case "repetition_penalty" -> "penalty_repeat";
                        default -> name;
                    };
        }
    }

    private static final String REMEDY = "; --generation-config none ignores these values";
}
