// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Incomplete tokenizer files are refused with one line that names the file.
final class BrokenTokenizerTest {
    @TempDir private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"tokenizer.json", "tokenizer_config.json"})
    void aFileTruncatedAtAnyOfTwentyLengthsIsNamed(String name) throws IOException {
        TinyCheckpoint.write(folder, 1);
        Path file = folder.resolve(name);
        byte[] whole = Files.readAllBytes(file);
        for (int cut = 0; cut < 20; cut++) {
            Files.write(file, Arrays.copyOf(whole, whole.length * cut / 20));
            requireRefused(name, "download");
        }
    }

    @Test
    void aMissingTokenizerIsNamed() throws IOException {
        TinyCheckpoint.write(folder, 1);
        Files.delete(folder.resolve("tokenizer.json"));
        requireRefused("tokenizer.json", "token ids");
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() throws IOException {
        TinyCheckpoint.write(folder, 1);
        byte[] bytes = Files.readAllBytes(folder.resolve("tokenizer.json"));
        Arrays.fill(bytes, 10, 20, (byte) 0xFF);
        Files.write(folder.resolve("tokenizer.json"), bytes);
        requireRefused("tokenizer.json");
    }

    private void requireRefused(String... parts) {
        CheckpointException refusal =
                assertThrows(
                        CheckpointException.class,
                        () -> Tokenizers.of(TokenizerSource.open(folder)));
        assertTrue(refusal.getMessage().contains(folder.toString()), refusal.getMessage());
        assertFalse(refusal.getMessage().contains("\n"), refusal.getMessage());
        for (String part : parts) {
            assertTrue(refusal.getMessage().contains(part), refusal.getMessage());
        }
    }
}
