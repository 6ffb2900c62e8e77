// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.TinyCheckpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// The models of the tests.
final class Models {
    private Models() {}

    /// Copies a recorded model of 96 tokens into the sandbox, with a tokenizer of the printable
    /// characters.
    ///
    /// @param name of a folder of the model's references
    static Path recorded(Sandbox sandbox, String name) {
        Path source = reference(name);
        Path folder = sandbox.folder().resolve(name);
        ObjectNode vocabulary = JsonNodes.object();
        for (int id = 0; id < 94; id++) {
            vocabulary.put(String.valueOf((char) ('!' + id)), id);
        }
        vocabulary.put("Ġ", 94).put("ĠĠ", 95);
        ObjectNode tokenizer = JsonNodes.object();
        ObjectNode bpe = tokenizer.putObject("model").put("type", "BPE");
        bpe.set("vocab", vocabulary);
        bpe.putArray("merges").add("Ġ Ġ");
        tokenizer.putObject("pre_tokenizer").put("type", "ByteLevel").put("use_regex", false);
        tokenizer.putObject("decoder").put("type", "ByteLevel");
        try {
            Files.createDirectories(folder);
            for (String file : List.of("config.json", "model.safetensors")) {
                Files.copy(source.resolve(file), folder.resolve(file));
            }
            Files.writeString(folder.resolve("tokenizer.json"), tokenizer.toString());
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Returns the folder of a recorded model.
    static Path reference(String name) {
        return Path.of("../model/src/test/resources/references", name);
    }

    /// Writes a tiny random model into the sandbox.
    ///
    /// @param seed determines the weights
    static Path tiny(Sandbox sandbox, long seed) {
        try {
            Path folder = sandbox.folder().resolve("tiny-" + seed);
            TinyCheckpoint.write(folder, seed);
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
