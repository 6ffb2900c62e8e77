// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.checkpoint.GgufMetadata;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A reader for the `tokenizer.ggml.*` keys of a GGUF file.
final class GgufKeys {
    private static final String PREFIX = "tokenizer.ggml.";

    private final GgufMetadata metadata;

    private GgufKeys(GgufMetadata metadata) {
        this.metadata = metadata;
    }

    static GgufVocabulary vocabulary(GgufMetadata metadata) {
        return new GgufKeys(metadata).vocabulary();
    }

    private GgufVocabulary vocabulary() {
        String model =
                metadata.text(PREFIX + "model")
                        .orElseThrow(() -> metadata.missing(PREFIX + "model"));
        String pre = metadata.text(PREFIX + "pre").orElse("");
        List<String> tokens =
                metadata.texts(PREFIX + "tokens")
                        .orElseThrow(() -> metadata.missing(PREFIX + "tokens"));
        GgufVocabulary.Flags defaults = GgufVocabulary.Flags.defaults(model, pre);
        return new GgufVocabulary(
                model,
                pre,
                tokens,
                floats("scores"),
                integers("token_type"),
                metadata.texts(PREFIX + "merges").orElse(List.of()),
                integers("precompiled_charsmap"),
                new GgufVocabulary.SpecialIds(
                        id("bos", tokens.size()),
                        id("eos", tokens.size()),
                        id("unknown", tokens.size()),
                        // The key is misspelled in the format.
                        id("seperator", tokens.size())),
                new GgufVocabulary.Flags(
                        flag("add_bos_token", defaults.addBos()),
                        flag("add_eos_token", defaults.addEos()),
                        flag("add_space_prefix", defaults.addSpacePrefix()),
                        flag("remove_extra_whitespaces", defaults.removeExtraSpaces())),
                GgufStrips.of(metadata, model),
                pairs(model));
    }

    private GgufVocabulary.Pairs pairs(String model) {
        return GgufVocabulary.Pairs.of(
                metadata.text("general.architecture").orElse(""),
                model,
                flag("add_sep_token", true));
    }

    private OptionalInt id(String name, int tokens) {
        String key = PREFIX + name + "_token_id";
        Optional<Integer> id = metadata.size(key);
        if (id.isPresent() && id.get() >= tokens) {
            throw metadata.wrong(key, id.get(), "an id below the number of tokens, " + tokens);
        }
        return id.isPresent() ? OptionalInt.of(id.get()) : OptionalInt.empty();
    }

    private boolean flag(String name, boolean fallback) {
        return metadata.flag(PREFIX + name).orElse(fallback);
    }

    private List<Float> floats(String name) {
        List<Float> values = new ArrayList<>();
        metadata.floats(PREFIX + name)
                .ifPresent(
                        floats -> {
                            for (float value : floats) {
                                values.add(value);
                            }
                        });
        return values;
    }

    private List<Integer> integers(String name) {
        List<Integer> values = new ArrayList<>();
        metadata.integers(PREFIX + name)
                .ifPresent(
                        integers -> {
                            for (int value : integers) {
                                values.add(value);
                            }
                        });
        return values;
    }
}
