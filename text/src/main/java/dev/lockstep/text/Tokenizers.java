// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// A factory of tokenizers from model files; unknown components are refused with file and key.
public final class Tokenizers {
    private Tokenizers() {}

    /// Returns the tokenizer of a model; a model without a tokenizer is refused, so check
    /// [TokenizerSource#hasTokenizer] first.
    public static Tokenizer of(TokenizerSource source) {
        return switch (source) {
            case TokenizerSource.Folder folder -> of(folder);
            case TokenizerSource.Gguf gguf -> of(gguf);
        };
    }

    /// Returns the tokenizer of a vocabulary; refuses unknown rules and names the key.
    public static Tokenizer of(GgufVocabulary vocabulary) {
        return GgufTokenizer.of(vocabulary);
    }

    /// Returns the tokenizer of a `tokenizer.json` alone, without BOS and end ids, which are in the
    /// files next to it.
    public static Tokenizer ofJson(byte[] json) {
        return TokenizerJson.parse(json).tokenizer(SpecialNames.NONE);
    }

    private static Tokenizer of(TokenizerSource.Folder folder) {
        Path file =
                folder.tokenizerJson()
                        .orElseThrow(
                                () ->
                                        new CheckpointException(
                                                folder.folder()
                                                        + " has no tokenizer.json: download it with the model, or send"
                                                        + " token ids"));
        try {
            return TokenizerJson.parse(Files.readAllBytes(file))
                    .tokenizer(FolderSpecialNames.read(folder));
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(file + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new CheckpointException(file + " cannot be read (" + e.getMessage() + ")", e);
        }
    }

    private static Tokenizer of(TokenizerSource.Gguf gguf) {
        try {
            return GgufTokenizer.of(GgufKeys.vocabulary(gguf.metadata()));
        } catch (IllegalArgumentException e) {
            throw new CheckpointException(gguf.metadata().path() + ": " + e.getMessage(), e);
        }
    }
}
