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
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertEquals(OptionalInt.of(0), tokenizer.bos());
        assertEquals(OptionalInt.of(1), tokenizer.eos());
        assertArrayEquals(new int[] {0, 4}, tokenizer.encode("ab", new EncodeOptions(false, true)));
        assertArrayEquals(new int[] {4}, tokenizer.encode("ab", false));
        assertEquals(5, tokenizer.vocabularySize());
        assertTrue(tokenizer.special(0));
        assertEquals(OptionalInt.of(4), tokenizer.idOf("ab"));
    }

    @Test
    void theEndTokenFollowsATextWhereTheConfigurationSaysSo() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted("\"a b\""));
        write("tokenizer_config.json", "{\"eos_token\":\"</s>\",\"add_eos_token\":true}");
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertArrayEquals(new int[] {4, 1}, tokenizer.encode("ab", new EncodeOptions(false, true)));
        assertArrayEquals(new int[] {4}, tokenizer.encode("ab", false));
    }

    @Test
    void aFolderWithOnlyATokenizerIsAccepted() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted("[\"a\",\"b\"]"));
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertEquals(OptionalInt.empty(), tokenizer.eos());
        assertArrayEquals(new int[] {4, 1}, tokenizer.encode("ab</s>", true));
    }

    @Test
    void namesThatOnlyTheOlderFileHasAreFound() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted(""));
        write("tokenizer_config.json", "{\"bos_token\":null,\"eos_token\":\"</s>\"}");
        write(
                "special_tokens_map.json",
                "{\"bos_token\":{\"content\":\"<s>\"},\"eos_token\":\"a\",\"pad_token\":\"ab\"}");
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertEquals("<s>", tokenizer.bosText());
        assertEquals("</s>", tokenizer.eosText());
        assertTrue(tokenizer.special(4));
        assertArrayEquals(new int[] {2, 4}, tokenizer.encode("aab", true));
    }

    @Test
    void tokensThatOnlyTheFilesNextToTheTokenizerHaveAreOneIdEach() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted(""));
        write(
                "tokenizer_config.json",
                """
                {"added_tokens_decoder":{
                    "0":{"content":"<s>","lstrip":true,"special":true},
                    "2":{"content":"a","special":false},
                    "7":{"content":"<|new|>","lstrip":false,"rstrip":true,"normalized":false,"special":true}}}
                """);
        write("added_tokens.json", "{\"b\":5}");
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertArrayEquals(new int[] {2, 7, 3}, tokenizer.encode("a<|new|> b", true));
        assertArrayEquals(new int[] {2, 0, 3}, tokenizer.encode("a<s>b", true));
        assertTrue(tokenizer.special(7));
        assertEquals(8, tokenizer.vocabularySize());
        assertEquals("ab", tokenizer.decode(new int[] {2, 7, 5, 3}, true));
    }

    @Test
    void anOlderModelListsItsAddedTokensInTheirOwnFile() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted(""));
        write("tokenizer_config.json", "{\"additional_special_tokens\":[\"<|turn|>\"]}");
        write("added_tokens.json", "{\"<|turn|>\":5,\"word\":6}");
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(folder));
        assertArrayEquals(new int[] {5, 6, 2}, tokenizer.encode("<|turn|>worda", true));
        assertTrue(tokenizer.special(5));
        assertEquals("word", tokenizer.decode(new int[] {5, 6}, true));
    }

    @Test
    void aFixtureFolderEndsATextAtItsEndToken() {
        Tokenizer tokenizer = Tokenizers.of(TokenizerSource.open(Fixtures.require("models/llama")));
        assertEquals(OptionalInt.of(2), tokenizer.eos());
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
    }

    @Test
    void errorsInAddedTokensNameFileAndToken() throws IOException {
        write("tokenizer.json", TOKENIZER.formatted(""));
        write("tokenizer_config.json", "{\"added_tokens_decoder\":{\"3\":{\"content\":\"new\"}}}");
        assertRefused("tokenizer.json", "token 3 is \"b\"", "\"new\"");
        write("tokenizer_config.json", "{\"added_tokens_decoder\":{\"x\":{\"content\":\"new\"}}}");
        assertRefused("tokenizer_config.json", "added_tokens_decoder.x", "token id");
        write("tokenizer_config.json", "{\"added_tokens_decoder\":[]}");
        assertRefused("tokenizer_config.json", "added_tokens_decoder is []");
        write("tokenizer_config.json", "{\"eos_token\":5}");
        assertRefused("tokenizer_config.json", "eos_token is 5");
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
