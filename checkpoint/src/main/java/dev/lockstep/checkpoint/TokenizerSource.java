// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.TreeSet;

/// The tokenizer and chat template of a model.
///
/// It opens without any weights, so that a process that serves text needs none.
public sealed interface TokenizerSource {
    /// Opens a folder in Hugging Face layout or a `.gguf` file, also one without weights.
    static TokenizerSource open(Path path) {
        if (Files.isDirectory(path)) {
            return new Folder(path);
        }
        return new Gguf(GgufFile.open(path).metadata());
    }

    /// Returns false for a model that serves token ids only.
    boolean hasTokenizer();

    /// Returns the model's own chat template.
    ///
    /// @throws CheckpointException when its file cannot be read as text
    Optional<Template> chatTemplate();

    /// The source of a chat template.
    ///
    /// @param place the file, with the key in it if it is part of one
    record Template(String place, String text) {
        /// Reads a file that holds only a template.
        public static Template read(Path file) {
            try {
                return new Template(file.toString(), Files.readString(file));
            } catch (NoSuchFileException e) {
                throw new CheckpointException(file + " does not exist", e);
            } catch (CharacterCodingException e) {
                throw new CheckpointException(file + " is not UTF-8 text", e);
            } catch (IOException e) {
                throw new CheckpointException(
                        "%s cannot be read (%s)".formatted(file, e.getMessage()), e);
            }
        }
    }

    /// Returns the id of a token as the tokenizer's files write it.
    OptionalInt idOf(String piece);

    /// Returns a hex digest of everything that decides which ids a text becomes: equal for equal
    /// tokenizers, for any weights.
    String digest();

    /// A folder, in which each file may be missing.
    record Folder(Path folder) implements TokenizerSource {
        private static final String TEMPLATE = "chat_template";
        private static final List<String> DIGESTED =
                List.of(
                        "tokenizer.json",
                        "tokenizer_config.json",
                        "special_tokens_map.json",
                        "added_tokens.json",
                        "chat_template.jinja",
                        "chat_template.json");

        /// Returns the file of vocabulary, merges, normalizer and the rest.
        public Optional<Path> tokenizerJson() {
            return file("tokenizer.json");
        }

        /// Returns the file of the special tokens' names, `add_bos_token` and an older place of the
        /// chat template.
        public Optional<Path> tokenizerConfig() {
            return file("tokenizer_config.json");
        }

        /// Returns the older file of the special tokens' names.
        public Optional<Path> specialTokensMap() {
            return file("special_tokens_map.json");
        }

        /// Returns the older file of added tokens.
        public Optional<Path> addedTokens() {
            return file("added_tokens.json");
        }

        /// Returns the file of default sampling parameters and ids that end a text.
        public Optional<Path> generationConfig() {
            return file("generation_config.json");
        }

        @Override
        public boolean hasTokenizer() {
            return tokenizerJson().isPresent();
        }

        @Override
        public Optional<Template> chatTemplate() {
            Optional<Path> own = file("chat_template.jinja");
            if (own.isPresent()) {
                return own.map(Template::read);
            }
            for (String name : List.of("chat_template.json", "tokenizer_config.json")) {
                Optional<Template> template = file(name).flatMap(Folder::keyed);
                if (template.isPresent()) {
                    return template;
                }
            }
            return Optional.empty();
        }

        /// Finds added tokens and those of a vocabulary by name, which all models but Unigram have.
        @Override
        public OptionalInt idOf(String piece) {
            Optional<JsonNode> file = tokenizerJson().map(each -> JsonObject.read(each).node());
            if (file.isEmpty()) {
                return OptionalInt.empty();
            }
            for (JsonNode added : file.get().path("added_tokens")) {
                if (added.path("content").asText().equals(piece) && added.path("id").isInt()) {
                    return OptionalInt.of(added.path("id").intValue());
                }
            }
            JsonNode id = file.get().path("model").path("vocab").path(piece);
            return id.isInt() ? OptionalInt.of(id.intValue()) : OptionalInt.empty();
        }

        @Override
        public String digest() {
            var digest = new ModelDigest("tokenizer");
            DIGESTED.forEach(name -> digest.smallFile(folder.resolve(name)));
            return digest.hex();
        }

        private Optional<Path> file(String name) {
            Path path = folder.resolve(name);
            return Files.isRegularFile(path) ? Optional.of(path) : Optional.empty();
        }

        private static Optional<Template> keyed(Path path) {
            return JsonObject.read(path)
                    .namedText(TEMPLATE)
                    .map(text -> new Template(path + ": " + TEMPLATE, text));
        }
    }

    /// A GGUF file: its keys `tokenizer.ggml.*` and `tokenizer.chat_template`.
    record Gguf(GgufMetadata metadata) implements TokenizerSource {
        private static final String TEMPLATE = "tokenizer.chat_template";

        @Override
        public boolean hasTokenizer() {
            return metadata.has("tokenizer.ggml.tokens");
        }

        @Override
        public Optional<Template> chatTemplate() {
            return metadata.text(TEMPLATE)
                    .map(text -> new Template(metadata.path() + ": " + TEMPLATE, text));
        }

        @Override
        public OptionalInt idOf(String piece) {
            int id = metadata.texts("tokenizer.ggml.tokens").orElse(List.of()).indexOf(piece);
            return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
        }

        @Override
        public String digest() {
            var digest = new ModelDigest("tokenizer");
            for (String key : new TreeSet<>(metadata.keys())) {
                if (key.startsWith("tokenizer.")) {
                    digest.bytes(key, metadata.stored(key));
                }
            }
            return digest.hex();
        }
    }
}
