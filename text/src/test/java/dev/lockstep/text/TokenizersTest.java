// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.TokenizerSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TokenizersTest {
    private static final String TOKENIZER =
            """
            {"added_tokens":[{"id":0,"content":"<s>","special":true},{"id":1,"content":"</s>","special":true}],
             "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false},"decoder":{"type":"ByteLevel"},
             "model":{"type":"BPE","vocab":{"a":2,"b":3,"ab":4},"merges":[%s]}}
            """;

    @TempDir private Path folder;

    @Test
    void aFolderDefinesTheTokensThatBeginAndEndAText() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted("\"a b\""));
        write(
                "tokenizer_config.json",
                "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"</s>\",\"add_bos_token\":true}");
        write("generation_config.json", "{\"eos_token_id\":[3,99]}");
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertEquals(OptionalInt.of(0), tokenizer.bos());
        assertEquals(List.of(3, 1), tokenizer.eosIds());
        assertArrayEquals(new int[] {0, 4}, tokenizer.encode("ab", new EncodeOptions(false, true)));
        assertArrayEquals(new int[] {4}, tokenizer.encode("ab", false));
        assertEquals(5, tokenizer.vocabularySize());
        assertTrue(tokenizer.special(0));
        assertEquals(OptionalInt.of(4), tokenizer.idOf("ab"));
    }

    @Test
    void aFolderWithOnlyATokenizerIsAccepted() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted("[\"a\",\"b\"]"));
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertEquals(List.of(), tokenizer.eosIds());
        assertArrayEquals(new int[] {4, 1}, tokenizer.encode("ab</s>", true));
    }

    @Test
    void aFixtureFolderEndsATextAtItsEndToken() {
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(Fixtures.require("models/llama")));
        assertEquals(List.of(2), tokenizer.eosIds());
        assertEquals(OptionalInt.of(1), tokenizer.bos());
        assertEquals(
                "héllo 😀",
                tokenizer.decode(
                        tokenizer.encode("héllo 😀", new EncodeOptions(false, true)), false));
    }

    @Test
    void errorsNameFileAndKey() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted("\"a c\""));
        assertRefused("tokenizer.json", "model.merges[0]", "a c");
        write(
                "tokenizer.json",
                TOKENIZER.formatted("").replace("\"type\":\"BPE\"", "\"type\":\"Odd\""));
        assertRefused("tokenizer.json", "model.type", "Odd");
        write("tokenizer.json", "{\"model\":");
        assertRefused("tokenizer.json", "JSON");
        write("tokenizer.json", TOKENIZER.formatted(""));
        write("generation_config.json", "{\"eos_token_id\":\"x\"}");
        assertRefused("generation_config.json", "eos_token_id", "x");
    }

    @Test
    void theErrorForAMissingTokenizerNamesTheAlternative() {
        assertRefused("tokenizer.json", "token ids");
    }

    private void assertRefused(String... parts) {
        CheckpointException thrown =
                assertThrows(
                        CheckpointException.class,
                        () -> Tokenizers.of(TokenizerSource.open(folder)));
        for (String part : parts) {
            assertTrue(thrown.getMessage().contains(part), thrown.getMessage());
        }
    }

    private void write(String name, String content) throws IOException {
        Files.writeString(folder.resolve(name), content);
    }
}
