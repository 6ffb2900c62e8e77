// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
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
        assertEquals(0, detokenizer.brokenCharacters(ids[0]));
        detokenizer.push(ids[0]);
        assertEquals(0, detokenizer.brokenCharacters(ids[1]));
        assertEquals(1, detokenizer.brokenCharacters(ids[0]));
        assertEquals(1, detokenizer.brokenCharacters(ids[2]));
        int end = bytes.encode("<|end|>", true)[0];
        assertEquals(0, detokenizer.brokenCharacters(end), "a skipped token has no text");
        assertEquals("\uFFFD!", detokenizer.push(ids[2]));
        assertEquals(0, detokenizer.brokenCharacters(ids[2]));
    }

    @Test
    void aTokenMayBreakARunOfByteTokens() {
        int[] ids = words.encode("ü", false);
        int first = ids[ids.length - 2];
        int h = words.idOf("h").orElseThrow();
        var detokenizer = new Detokenizer(words, true, Detokenizer.Start.CONTINUATION);
        assertBroken(detokenizer, first, 0, "");
        assertBroken(detokenizer, h, 1, "\uFFFDh");
        assertBroken(detokenizer, first, 0, "");
        assertBroken(detokenizer, ids[ids.length - 1], 0, "ü");
        assertBroken(detokenizer, first, 0, "");
        assertBroken(detokenizer, first, 1, "\uFFFD\uFFFD");
        assertBroken(detokenizer, first, 0, "\uFFFD");
        assertBroken(detokenizer, h, 0, "h");
    }

    private static void assertBroken(Detokenizer detokenizer, int id, int broken, String text) {
        assertEquals(broken, detokenizer.brokenCharacters(id));
        assertEquals(text, detokenizer.push(id));
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
    void aRunOfByteTokensIsTextOrOneReplacementCharacterPerByte() {
        assertEquals("é", words.decode(byteTokens(0xC3, 0xA9), true));
        assertEquals("\uFFFD\uFFFD", words.decode(byteTokens(0xE6, 0x88), true));
        assertEquals("\uFFFD\uFFFD\uFFFD", words.decode(byteTokens(0xC3, 0xA9, 0xFF), true));
        assertEquals("é\uFFFD", streamed(words, byteTokens(0xC3, 0xA9, 0xFF), true));
        assertEquals("\uFFFD\uFFFD\uFFFD", streamed(words, byteTokens(0xFF, 0xC3, 0xA9), true));
        int[] apart =
                IntStream.of(0xC3, 'h', 0xA9).map(b -> b == 'h' ? idOf("h") : b + 3).toArray();
        assertEquals("\uFFFDh\uFFFD", words.decode(apart, true));
        assertEquals("\uFFFDh\uFFFD", streamed(words, apart, true));
    }

    @Test
    void randomIdsGiveTheTextOfTheirRuns() {
        var random = new Random(42);
        for (int round = 0; round < 2_000; round++) {
            boolean skip = random.nextBoolean();
            int[] ids = random.ints(random.nextInt(12), 0, words.vocabularySize()).toArray();
            assertEquals(expected(ids, skip, false), words.decode(ids, skip), "round " + round);
            assertEquals(expected(ids, skip, true), streamed(words, ids, skip), "round " + round);
        }
    }

    @Test
    void streamedIdsOfAByteLevelVocabularyGiveTheTextOfAllBytes() {
        var random = new Random(43);
        for (int round = 0; round < 2_000; round++) {
            boolean skip = random.nextBoolean();
            int[] ids = random.ints(random.nextInt(12), 0, bytes.vocabularySize()).toArray();
            assertEquals(bytes.decode(ids, skip), streamed(bytes, ids, skip), "round " + round);
            if (Arrays.stream(ids).noneMatch(id -> id == 0xED + 2)) {
                // The JDK's decoder counts the bytes of a surrogate in another way.
                assertEquals(atOnce(ids, skip), bytes.decode(ids, skip), "round " + round);
            }
        }
    }

    private int idOf(String piece) {
        return words.idOf(piece).orElseThrow();
    }

    private static int[] byteTokens(int... unsignedBytes) {
        return Arrays.stream(unsignedBytes).map(b -> b + 3).toArray();
    }

    private static String streamed(Tokenizer tokenizer, int[] ids, boolean skipSpecial) {
        var detokenizer = new Detokenizer(tokenizer, skipSpecial, Detokenizer.Start.TEXT);
        var streamed = new StringBuilder();
        for (int id : ids) {
            String text = detokenizer.push(id);
            assertEquals(
                    text,
                    new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
            streamed.append(text);
        }
        return streamed.append(detokenizer.finish()).toString();
    }

    /// Returns the text of ids of [#words]: of each run of byte tokens either all is text or, if
    /// `streamed`, its longest part from the start that is.
    private String expected(int[] ids, boolean skipSpecial, boolean streamed) {
        var text = new StringBuilder();
        var run = new ByteArrayOutputStream();
        for (int id : ids) {
            if (words.special(id) && skipSpecial) {
                continue;
            }
            if (Vocabulary.byteOf(words.piece(id)) >= 0) {
                run.writeBytes(words.bytes(id));
            } else {
                addRun(run, streamed, text);
                text.append(new String(words.bytes(id), StandardCharsets.UTF_8));
            }
        }
        addRun(run, streamed, text);
        return text.indexOf(" ") == 0 ? text.substring(1) : text.toString();
    }

    private static void addRun(ByteArrayOutputStream run, boolean streamed, StringBuilder text) {
        byte[] all = run.toByteArray();
        run.reset();
        int length = all.length;
        while (length > 0 && !isUtf8(Arrays.copyOf(all, length))) {
            length = streamed ? length - 1 : 0;
        }
        text.append(new String(all, 0, length, StandardCharsets.UTF_8));
        text.repeat('\uFFFD', all.length - length);
    }

    private static boolean isUtf8(byte[] bytes) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes));
            return true;
        } catch (CharacterCodingException e) {
            return false;
        }
    }

    private String atOnce(int[] ids, boolean skipSpecial) {
        var all = new ByteArrayOutputStream();
        for (int id : ids) {
            if (!(skipSpecial && bytes.special(id))) {
                all.writeBytes(bytes.bytes(id));
            }
        }
        return all.toString(StandardCharsets.UTF_8);
    }
}
