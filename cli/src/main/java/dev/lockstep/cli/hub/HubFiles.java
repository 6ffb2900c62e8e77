// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

import dev.lockstep.cli.console.UnusableException;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/// The files of a hub's model to download: those that are read, and one form of the weights.
///
/// @param names paths within the model; the index of a sharded model represents its shards
/// @param gguf the file to open, if the weights are GGUF
/// @param about a description of the choice, for the user
record HubFiles(List<String> names, Optional<String> gguf, String about) {
    static final String INDEX = "model.safetensors.index.json";
    private static final String SINGLE = "model.safetensors";
    private static final Pattern READ =
            Pattern.compile(
                    "(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens)\\.json"
                            + "|chat_template[^/]*\\.(jinja|json)");
    private static final Pattern SPLIT = Pattern.compile("-\\d{5}-of-\\d{5}\\.gguf$");
    // Repositories also contain image projectors and the statistics of a quantization.
    private static final Pattern NO_MODEL = Pattern.compile("(.*/)?(mmproj|imatrix)[^/]*");
    private static final List<String> USUAL_TYPES = List.of("Q4_K_M", "Q8_0");

    HubFiles {
        names = List.copyOf(names);
    }

    /// Chooses the requested GGUF file if the name has a choice, else safetensors if there are any,
    /// else GGUF.
    ///
    /// @param all names of all files of the model
    /// @throws UnusableException when there is no usable file, or the choice is ambiguous
    static HubFiles choose(HubName model, Collection<String> all) {
        if (model.choice().isPresent()) {
            return gguf(model, all, model.choice().get());
        }
        if (!all.contains(INDEX) && !all.contains(SINGLE)) {
            return gguf(model, all);
        }
        if (!all.contains("config.json")) {
            throw new UnusableException(
                    "%s has safetensors and no config.json: name a whole model, not a part of one"
                            .formatted(model));
        }
        List<String> names = new ArrayList<>();
        all.stream().filter(name -> READ.matcher(name).matches()).sorted().forEach(names::add);
        names.add(all.contains(INDEX) ? INDEX : SINGLE);
        return new HubFiles(names, Optional.empty(), "safetensors");
    }

    /// Returns these files and the shards that the index names.
    HubFiles withShards(Collection<String> shards) {
        List<String> more = new ArrayList<>(names);
        more.addAll(shards);
        return new HubFiles(
                more, gguf, "safetensors in %d %s".formatted(shards.size(), files(shards.size())));
    }

    private static HubFiles gguf(HubName model, Collection<String> all) {
        List<String> firsts = firsts(all, name -> true);
        if (firsts.isEmpty()) {
            throw new UnusableException(
                    "%s has neither %s nor %s nor a .gguf file: name a model in one of these forms"
                            .formatted(model, SINGLE, INDEX));
        }
        if (firsts.size() == 1) {
            return gguf(all, firsts.getFirst(), "");
        }
        for (String type : USUAL_TYPES) {
            List<String> ofType = firsts(all, name -> isOfType(name, type));
            if (ofType.size() == 1) {
                return gguf(
                        all,
                        ofType.getFirst(),
                        ", one of %d; %s:TYPE names another"
                                .formatted(firsts.size(), model.repository()));
            }
        }
        throw new UnusableException(
                "%s has %d GGUF files: choose one with %s:FILE; there are %s"
                        .formatted(model, firsts.size(), model.repository(), listed(firsts)));
    }

    private static HubFiles gguf(HubName model, Collection<String> all, String choice) {
        List<String> chosen = firsts(all, choice::equals);
        if (chosen.isEmpty()) {
            chosen = firsts(all, name -> isOfType(name, choice));
        }
        if (chosen.size() == 1) {
            return gguf(all, chosen.getFirst(), "");
        }
        List<String> there = chosen.isEmpty() ? firsts(all, name -> true) : chosen;
        throw new UnusableException(
                "%s: \"%s\" names %s of its GGUF files; there are %s"
                        .formatted(
                                model,
                                choice,
                                chosen.isEmpty() ? "none" : chosen.size(),
                                there.isEmpty() ? "none" : listed(there)));
    }

    /// Chooses a file, or all parts of a split file.
    private static HubFiles gguf(Collection<String> all, String first, String more) {
        List<String> parts =
                SPLIT.matcher(first).find()
                        ? all.stream()
                                .filter(name -> SPLIT.matcher(name).find())
                                .filter(name -> stem(name).equals(stem(first)))
                                .sorted()
                                .toList()
                        : List.of(first);
        return new HubFiles(parts, Optional.of(first), "GGUF file " + first + more);
    }

    /// Returns the files that a user may choose: whole files, and the first part of each split
    /// file.
    private static List<String> firsts(Collection<String> all, Predicate<String> wanted) {
        return all.stream()
                .filter(name -> name.endsWith(".gguf") && !NO_MODEL.matcher(name).matches())
                .filter(name -> !SPLIT.matcher(name).find() || name.contains("-00001-of-"))
                .filter(wanted)
                .sorted()
                .toList();
    }

    private static boolean isOfType(String name, String type) {
        return stem(name).matches("(?i)(.*[-._/])?" + Pattern.quote(type));
    }

    private static String stem(String name) {
        String whole = SPLIT.matcher(name).replaceFirst("");
        return whole.endsWith(".gguf")
                ? whole.substring(0, whole.length() - ".gguf".length())
                : whole;
    }

    private static String listed(List<String> names) {
        return names.stream().collect(Collectors.joining(", "));
    }

    private static String files(int count) {
        return count == 1 ? "file" : "files";
    }
}
