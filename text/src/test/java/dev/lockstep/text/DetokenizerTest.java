// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class DetokenizerTest {
    private final Tokenizer bytes =
            TinyVocabularies.byteLevel("gpt-2", "h e", "l l", "he ll", "hell o");
    private final Tokenizer words =
            TinyVocabularies.sentencePiece(true, "▁", "▁he", "llo", "h", "e", "l", "o", "é");

    @Test
    void aCharacterOfSeveralTokensIsReturnedWhole() {
        var detokenizer = new Detokenizer(bytes, true, Detokenizer.Start.TEXT);
        int[] ids = bytes.encode("é!", false);
        assertEquals(3, ids.length);
        assertEquals("", detokenizer.push(ids[0]));
        assertEquals("é", detokenizer.push(ids[1]));
        assertEquals("!", detokenizer.push(ids[2]));
        assertEquals("", detokenizer.finish());
    }

    @Test
    void anIncompleteCharacterAtTheEndBecomesAReplacementCharacter() {
        var detokenizer = new Detokenizer(bytes, true, Detokenizer.Start.TEXT);
        int[] ids = bytes.encode("😀", false);
        assertEquals("", detokenizer.push(ids[0]) + detokenizer.push(ids[1]));
        assertEquals("\uFFFD", detokenizer.finish());
        assertEquals("", detokenizer.finish());
    }

    @Test
    void aTokenThatDoesNotCompleteACharacterBreaksIt() {
        int[] ids = bytes.encode("é!", false);
        var detokenizer = new Detokenizer(bytes, true, Detokenizer.Start.TEXT);
        assertFalse(detokenizer.breaksCharacter(ids[0]));
        detokenizer.push(ids[0]);
        assertFalse(detokenizer.breaksCharacter(ids[1]));
        assertTrue(detokenizer.breaksCharacter(ids[0]));
        assertTrue(detokenizer.breaksCharacter(ids[2]));
        int end = bytes.encode("<|end|>", true)[0];
        assertFalse(detokenizer.breaksCharacter(end), "a skipped token has no text");
        assertEquals("\uFFFD!", detokenizer.push(ids[2]));
        assertFalse(detokenizer.breaksCharacter(ids[2]));
    }

    @Test
    void specialTokensAreSkippedOrKeptOnRequest() {
        int[] ids = bytes.encode("hello<|end|><|tool|>", true);
        assertEquals("hello<|tool|>", bytes.decode(ids, true));
        assertEquals("hello<|end|><|tool|>", bytes.decode(ids, false));
    }

    @Test
    void onlyTheStartOfATextLosesTheEncodersLeadingSpace() {
        int[] ids = words.encode("hello", false);
        assertEquals("hello", words.decode(ids, true));
        var continued = new Detokenizer(words, true, Detokenizer.Start.CONTINUATION);
        var text = new StringBuilder();
        for (int id : ids) {
            text.append(continued.push(id));
        }
        assertEquals(" hello", text.toString());
    }

    @Test
    void aSkippedLeadingTokenDoesNotPreserveTheSpace() {
        assertEquals(
                "hello", words.decode(words.encode("hello", new EncodeOptions(false, true)), true));
        assertEquals("  hello", words.decode(words.encode("  hello", false), true));
    }

    @Test
    void streamedIdsGiveTheTextOfDecodingAtOnce() {
        var random = new Random(42);
        for (int round = 0; round < 2_000; round++) {
            Tokenizer tokenizer = random.nextBoolean() ? bytes : words;
            boolean skip = random.nextBoolean();
            int[] ids = random.ints(random.nextInt(12), 0, tokenizer.vocabularySize()).toArray();
            var detokenizer = new Detokenizer(tokenizer, skip, Detokenizer.Start.TEXT);
            var streamed = new StringBuilder();
            for (int id : ids) {
                String text = detokenizer.push(id);
                assertEquals(
                        text,
                        new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
                streamed.append(text);
            }
            streamed.append(detokenizer.finish());
            assertEquals(tokenizer.decode(ids, skip), streamed.toString(), "round " + round);
            if (!hasEncodedSurrogate(tokenizer, ids)) {
                assertEquals(atOnce(tokenizer, ids, skip), streamed.toString(), "round " + round);
            }
        }
    }

    /// Returns whether a token is the byte 0xED, where the JDK's decoder, the reference below,
    /// differs.
    private static boolean hasEncodedSurrogate(Tokenizer tokenizer, int[] ids) {
        return Arrays.stream(ids)
                .anyMatch(
                        id ->
                                tokenizer.bytes(id).length == 1
                                        && tokenizer.bytes(id)[0] == (byte) 0xED);
    }

    private static String atOnce(Tokenizer tokenizer, int[] ids, boolean skipSpecial) {
        var all = new java.io.ByteArrayOutputStream();
        for (int id : ids) {
            if (!(skipSpecial && tokenizer.special(id))) {
                all.writeBytes(tokenizer.bytes(id));
            }
        }
        String text = all.toString(StandardCharsets.UTF_8);
        return tokenizer.decoding().stripsLeadingSpace() && text.startsWith(" ")
                ? text.substring(1)
                : text;
    }
}
