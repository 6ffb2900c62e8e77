// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// `GET /tokenizer_info`: the settings of the model's tokenizer and its chat template, with the
/// names of `tokenizer_config.json`, for clients that render and tokenize themselves.
final class TokenizerInfo {
    /// Fields of `tokenizer_config.json` that name files of the machine that wrote it.
    private static final List<String> PATHS =
            List.of("name_or_path", "vocab_file", "merges_file", "tokenizer_file");

    private static final String CLASS = "tokenizer_class";

    private TokenizerInfo() {}

    static ObjectNode of(TokenizerSource source, Tokenizer tokenizer, ModelTemplate template) {
        ObjectNode info =
                switch (source) {
                    case TokenizerSource.Folder folder ->
                            folder.tokenizerConfig()
                                    .map(TokenizerInfo::read)
                                    .orElseGet(Json::object);
                    case TokenizerSource.Gguf gguf -> ofGguf(gguf);
                };
        info.remove(PATHS);
        if (!info.hasNonNull(CLASS)) {
            info.put(CLASS, "PreTrainedTokenizerFast");
        }
        putIfAbsent(info, "bos_token", tokenizer.bosText());
        putIfAbsent(info, "eos_token", tokenizer.eosText());
        if (template instanceof ModelTemplate.Usable(ChatTemplate used)) {
            info.put("chat_template", used.source());
        }
        return info;
    }

    private static ObjectNode ofGguf(TokenizerSource.Gguf gguf) {
        ObjectNode info = Json.object();
        gguf.metadata().text("tokenizer.ggml.model").ifPresent(name -> info.put(CLASS, name));
        return info;
    }

    private static ObjectNode read(Path config) {
        try {
            return Json.readObject(Files.readAllBytes(config));
        } catch (IOException e) {
            throw new UncheckedIOException(config + " cannot be read", e);
        }
    }

    private static void putIfAbsent(ObjectNode info, String name, String text) {
        if (!info.hasNonNull(name) && !text.isEmpty()) {
            info.put(name, text);
        }
    }
}
