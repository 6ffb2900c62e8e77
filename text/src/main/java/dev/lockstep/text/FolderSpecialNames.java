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
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/// A reader for the tokens that a model folder declares outside `tokenizer.json`:
/// `tokenizer_config.json`, and for what that lacks the older `special_tokens_map.json` and
/// `added_tokens.json`.
final class FolderSpecialNames {
    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final String DECODER = "added_tokens_decoder";
    private static final String LISTED = "additional_special_tokens";
    private static final List<String> NAMED =
            List.of(
                    "bos_token",
                    "eos_token",
                    "unk_token",
                    "sep_token",
                    "pad_token",
                    "cls_token",
                    "mask_token");

    private FolderSpecialNames() {}

    static SpecialNames read(TokenizerSource.Folder folder) {
        try {
            return names(folder);
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(folder.folder() + ": " + e.getMessage(), e);
        }
    }

    private static SpecialNames names(TokenizerSource.Folder folder) {
        JsonPart config = file(folder.tokenizerConfig());
        JsonPart map = file(folder.specialTokensMap());
        List<AddedToken> named = named(config, map);
        return new SpecialNames(
                name(config, map, "bos_token"),
                name(config, map, "eos_token"),
                config.part("add_bos_token").isPresent()
                        ? Optional.of(config.flag("add_bos_token", false))
                        : Optional.empty(),
                config.flag("add_eos_token", false),
                config.part(DECODER).isPresent()
                        ? decoder(config.require(DECODER))
                        : olderAdded(file(folder.addedTokens()), named),
                named);
    }

    private static Optional<String> name(JsonPart config, JsonPart map, String key) {
        return config.part(key).or(() -> map.part(key)).map(part -> special(part).content());
    }

    /// Reads `added_tokens_decoder`, an object of tokens by id.
    private static List<AddedToken> decoder(JsonPart decoder) {
        List<AddedToken> tokens = new ArrayList<>();
        for (String id : decoder.keys()) {
            JsonPart token = decoder.require(id);
            try {
                tokens.add(AddedToken.read(token, Integer.parseInt(id)));
            } catch (NumberFormatException e) {
                throw new IllegalArgumentException(
                        token.path() + ": the key must be a token id below 2^31", e);
            }
        }
        return tokens;
    }

    /// Reads `added_tokens.json`, an object of ids by token.
    private static List<AddedToken> olderAdded(JsonPart file, List<AddedToken> named) {
        Set<String> contents = named.stream().map(AddedToken::content).collect(Collectors.toSet());
        List<AddedToken> tokens = new ArrayList<>();
        for (String content : file.keys()) {
            boolean special = contents.contains(content);
            int id = file.require(content).integer();
            tokens.add(new AddedToken(id, content, false, false, false, !special, special));
        }
        return tokens;
    }

    private static List<AddedToken> named(JsonPart config, JsonPart map) {
        List<AddedToken> tokens = new ArrayList<>();
        for (String key : NAMED) {
            config.part(key)
                    .or(() -> map.part(key))
                    .map(FolderSpecialNames::special)
                    .ifPresent(tokens::add);
        }
        JsonPart listed = config.part(LISTED).isPresent() ? config : map;
        listed.list(LISTED).forEach(part -> tokens.add(special(part)));
        return tokens;
    }

    /// Reads a special token, given as text or as an object with options.
    private static AddedToken special(JsonPart part) {
        return part.node().isObject()
                ? AddedToken.read(part, Vocabulary.NONE).asSpecial()
                : AddedToken.literal(Vocabulary.NONE, part.text(), true);
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
}
