package dev.lockstep.text;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Makes tokenizers from what model files hold; what they ask for and is not known is refused,
/// naming file and key.
public final class Tokenizers {
    private Tokenizers() {}

    /// The tokenizer of a model; one without a tokenizer is refused, so ask
    /// [TokenizerSource#hasTokenizer] first.
    public static Tokenizer of(TokenizerSource source) {
        return switch (source) {
            case TokenizerSource.Folder folder -> of(folder);
            case TokenizerSource.Gguf gguf -> of(gguf);
        };
    }

    /// Refuses a vocabulary whose rules are not known, naming the key.
    public static Tokenizer of(GgufVocabulary vocabulary) {
        return GgufTokenizer.of(vocabulary);
    }

    /// The tokenizer of a `tokenizer.json` alone: without the files beside it, it knows neither BOS
    /// nor what ends a text.
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
