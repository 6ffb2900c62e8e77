// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class TokenizerTest {
    private final Tokenizer bytes =
            TinyVocabularies.byteLevel("gpt-2", "h e", "l l", "he ll", "hell o", "Ġ 1");

    @Test
    void mergesApplyInTheirOrder() {
        assertEquals(
                List.of("hello", "Ġ", "hell"), pieces(bytes, bytes.encode("hello hell", false)));
    }

    @Test
    void aDigitIsSplitOffBeforeTheOtherRuleSeesTheSpace() {
        assertEquals(List.of("Ġ1", "2"), pieces(bytes, bytes.encode(" 12", false)));
        Tokenizer digitsFirst = TinyVocabularies.byteLevel("smollm", "Ġ 1");
        assertEquals(List.of("Ġ", "1", "2"), pieces(digitsFirst, digitsFirst.encode(" 12", false)));
        // A digit of another script is a digit too: its two bytes are separate from the space.
        assertEquals(3, digitsFirst.encode(" ٣", false).length);
    }

    @Test
    void textBecomesASpecialTokenOnlyOnRequest() {
        assertArrayEquals(new int[] {0}, bytes.encode("<|end|>", true));
        assertEquals(7, bytes.encode("<|end|>", false).length);
        assertArrayEquals(new int[] {1}, bytes.encode("<|tool|>", false));
    }

    @Test
    void aLoneSurrogateBecomesAReplacementCharacter() {
        assertArrayEquals(bytes.encode("a\uFFFDb", false), bytes.encode("a\uD83Db", false));
        assertArrayEquals(
                bytes.encode("\uFFFD😀\uFFFD", false), bytes.encode("\uDE00😀\uD83D", false));
    }

    @Test
    void aSentencePieceVocabularyPrependsASpaceAndFallsBackToBytes() {
        Tokenizer tokenizer = TinyVocabularies.sentencePiece(true, "▁a", "▁", "a");
        assertEquals(List.of("▁a", "a", "▁a"), pieces(tokenizer, tokenizer.encode("aa a", false)));
        assertEquals(
                List.of("<s>", "▁", "<0xC3>", "<0xA9>"),
                pieces(tokenizer, tokenizer.encode("é", new EncodeOptions(false, true))));
        assertEquals(List.of(), pieces(tokenizer, tokenizer.encode("", false)));
    }

    @Test
    void aVocabularyOfGemma4AppliesItsMergesInTheirOrder() {
        Tokenizer tokenizer =
                TinyVocabularies.spacedMerges(
                        List.of("b c", "▁ a", "a b", "\n \n", "\n\n \n"),
                        "▁",
                        "a",
                        "b",
                        "c",
                        "\n",
                        "bc",
                        "▁a",
                        "ab",
                        "\n\n",
                        "\n\n\n");
        assertEquals(
                List.of("ab", "▁a", "bc", "\n\n\n"),
                pieces(tokenizer, tokenizer.encode("ab abc\n\n\n", false)));
        assertEquals(
                List.of("<s>", "<0xC3>", "<0xA9>"),
                pieces(tokenizer, tokenizer.encode("é", new EncodeOptions(false, true))));
        assertEquals("ab abc\n", tokenizer.decode(tokenizer.encode("ab abc\n", false), false));
    }

    @Test
    void aSentencePieceMergeMayUseCharactersThatAreNotTokens() {
        Tokenizer tokenizer = TinyVocabularies.sentencePiece(false, "ab", "abc");
        assertEquals(List.of("abc", "<0x61>"), pieces(tokenizer, tokenizer.encode("abca", false)));
    }

    @Test
    void controlAndByteTokensCannotBeSpelledInText() {
        Tokenizer tokenizer =
                TinyVocabularies.sentencePiece(
                        false, "<", "s", ">", "<s", "/", "0", "x", "4", "1", "<0", "<0x", "<0x4",
                        "<0x41");
        for (int id : tokenizer.encode("<s> </s> <0x41>", false)) {
            assertTrue(
                    !tokenizer.special(id) && !tokenizer.piece(id).equals("<0x41>"),
                    tokenizer.piece(id));
        }
    }

    @Test
    void oneWordOfAMegabyteGivesTheSameIdsAsManyShortOnes() {
        Tokenizer tokenizer = TinyVocabularies.byteLevel("gpt-2", "a a", "aa aa");
        int[] ids = tokenizer.encode("a".repeat(1 << 20), false);
        assertEquals(1 << 18, ids.length);
        assertTrue(Arrays.stream(ids).allMatch(id -> tokenizer.piece(id).equals("aaaa")));
    }

    @Test
    void anIdOutsideTheVocabularyIsRefusedWithBothNumbers() {
        IllegalArgumentException thrown =
                assertThrows(IllegalArgumentException.class, () -> bytes.piece(9_999));
        assertTrue(
                thrown.toString().contains("9999") && thrown.toString().contains("263"),
                thrown.toString());
        assertThrows(IllegalArgumentException.class, () -> bytes.decode(new int[] {-1}, true));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "gpt-2",
                "smollm",
                "falcon",
                "llama-bpe",
                "qwen2",
                "qwen35",
                "gpt-4o",
                "tekken",
                "deepseek-v3",
                "deepseek-llm",
                "deepseek-coder"
            })
    void noPreTokenizerLosesText(String name) {
        Tokenizer tokenizer = TinyVocabularies.byteLevel(name, "t h", "th e", "Ġ a");
        var texts = new RandomText(5);
        for (int i = 0; i < 100; i++) {
            String text = texts.next();
            assertEquals(text, tokenizer.decode(tokenizer.encode(text, false), false), name);
        }
    }

    @Test
    void anUnknownPreTokenizerIsRefusedByName() {
        IllegalArgumentException thrown =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> TinyVocabularies.byteLevel("no-such-rule"));
        assertTrue(thrown.toString().contains("no-such-rule"), thrown.toString());
    }

    private static List<String> pieces(Tokenizer tokenizer, int[] ids) {
        return Arrays.stream(ids).mapToObj(tokenizer::piece).toList();
    }
}
