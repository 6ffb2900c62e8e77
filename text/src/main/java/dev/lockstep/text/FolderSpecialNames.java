// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// A reader for the special tokens that a model folder declares outside `tokenizer.json`.
///
/// The ids that end a text come from `generation_config.json` first, then `config.json`, then the
/// name in `tokenizer_config.json`: an instruct model's list of end tokens is often only in the
/// first.
final class FolderSpecialNames {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private FolderSpecialNames() {}

    static SpecialNames read(TokenizerSource.Folder folder) {
        try {
            return names(folder);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(folder.folder() + ": " + e.getMessage(), e);
        }
    }

    private static SpecialNames names(TokenizerSource.Folder folder) {
        JsonPart tokenizer = file(folder.tokenizerConfig());
        Set<Integer> ends = new LinkedHashSet<>(endIds(file(folder.generationConfig())));
        ends.addAll(endIds(file(Optional.of(folder.folder().resolve("config.json")))));
        return new SpecialNames(
                name(tokenizer, "bos_token"),
                name(tokenizer, "eos_token"),
                tokenizer.part("add_bos_token").isPresent()
                        ? Optional.of(tokenizer.flag("add_bos_token", false))
                        : Optional.empty(),
                List.copyOf(ends));
    }

    /// Returns the file's JSON object; a missing file counts as an empty object.
    private static JsonPart file(Optional<Path> path) {
        if (path.isEmpty() || !Files.exists(path.get())) {
            return new JsonPart("", JsonNodeFactory.instance.objectNode());
        }
        try {
            JsonNode root = MAPPER.readTree(Files.readAllBytes(path.get()));
            if (!root.isObject()) {
                throw new CheckpointException(
                        path.get() + " does not hold a JSON object: download it again");
            }
            return new JsonPart(path.get().getFileName() + ": ", root);
        } catch (JsonProcessingException e) {
            throw new CheckpointException(
                    path.get()
                            + " is not valid JSON ("
                            + e.getOriginalMessage()
                            + "): download it again",
                    e);
        } catch (IOException e) {
            throw new CheckpointException(
                    path.get() + " cannot be read (" + e.getMessage() + ")", e);
        }
    }

    /// Returns the name under `key`, given as text or as the `content` of an object.
    private static Optional<String> name(JsonPart config, String key) {
        Optional<JsonPart> token = config.part(key);
        if (token.isPresent() && token.get().node().isObject()) {
            token = token.get().part("content");
        }
        return token.map(JsonPart::text);
    }

    private static List<Integer> endIds(JsonPart config) {
        Optional<JsonPart> ids = config.part("eos_token_id");
        if (ids.isEmpty()) {
            return List.of();
        }
        return ids.get().node().isArray()
                ? ids.get().items().stream().map(JsonPart::integer).toList()
                : List.of(ids.get().integer());
    }
}
