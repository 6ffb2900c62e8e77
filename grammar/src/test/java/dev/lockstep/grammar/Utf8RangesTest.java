// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class Utf8RangesTest {
    private static TextMatcher matcher(Regex regex) {
        return CompiledGrammar.compile(
                        new Grammar(Map.of("start", Expression.terminal(regex)), "start"),
                        GrammarLimits.DEFAULT)
                .text();
    }

    private static boolean isSurrogate(int codePoint) {
        return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
    }

    private static byte[] utf8(int codePoint) {
        return Character.toString(codePoint).getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void aClassHasItsCharactersAndNoOthers() {
        int[] edges = {0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF};
        for (int seed = 0; seed < 150; seed++) {
            var random = new Random(seed);
            int[] ranges = new int[2 * (1 + random.nextInt(3))];
            for (int i = 0; i < ranges.length; i += 2) {
                int one = point(random, edges);
                int other = point(random, edges);
                ranges[i] = Math.min(one, other);
                ranges[i + 1] = Math.max(one, other);
            }
            TextMatcher in = matcher(Regex.characters(ranges));
            TextMatcher out = matcher(Regex.union(Regex.charactersExcept(ranges), Regex.text("")));
            for (int i = 0; i < 100; i++) {
                int each = point(random, edges);
                if (!isSurrogate(each)) {
                    boolean expected = false;
                    for (int k = 0; k < ranges.length; k += 2) {
                        expected |= ranges[k] <= each && each <= ranges[k + 1];
                    }
                    String message = "seed %d, character %x".formatted(seed, each);
                    assertEquals(expected, in.matches(utf8(each)), message);
                    assertEquals(!expected, out.matches(utf8(each)), message);
                }
            }
        }
    }

    /// Also around the given points; never a surrogate, since no class would have just that.
    private static int point(Random random, int... edges) {
        int point =
                random.nextBoolean()
                        ? edges[random.nextInt(edges.length)] + random.nextInt(3) - 1
                        : random.nextInt(Character.MAX_CODE_POINT + 1);
        int within = Math.clamp(point, 0, Character.MAX_CODE_POINT);
        return isSurrogate(within) ? 'a' : within;
    }

    @Test
    void anyCharacterIsValidUtf8() {
        TextMatcher any = matcher(Regex.ANY_CHARACTER);
        for (int[] bytes :
                new int[][] {
                    {0x80},
                    {0xC0, 0x80},
                    {0xC1, 0xBF},
                    {0xE0, 0x9F, 0xBF},
                    {0xED, 0xA0, 0x80},
                    {0xF0, 0x8F, 0xBF, 0xBF},
                    {0xF4, 0x90, 0x80, 0x80},
                    {0xF5, 0x80, 0x80, 0x80},
                    {0xC3},
                    {'a', 'b'}
                }) {
            byte[] text = new byte[bytes.length];
            for (int i = 0; i < text.length; i++) {
                text[i] = (byte) bytes[i];
            }
            assertFalse(any.matches(text));
        }
        assertTrue(any.matches(utf8(0x1F600)));
    }

    @Test
    void aRangeOutsideUnicodeIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> Regex.characters(0, 0x110000));
        assertThrows(IllegalArgumentException.class, () -> Regex.characters('b', 'a'));
        assertThrows(IllegalArgumentException.class, () -> Regex.characters('a'));
    }

    @Test
    void textUntilAMarkerEndsAtTheFirstOne() {
        TextMatcher until = matcher(Regex.until(Regex.text("</a>")));
        assertTrue(until.matches("</a>".getBytes(StandardCharsets.UTF_8)));
        assertTrue(until.matches("é<</</a>".getBytes(StandardCharsets.UTF_8)));
        assertFalse(until.matches("</a></a>".getBytes(StandardCharsets.UTF_8)));
        assertFalse(until.matches("x</a".getBytes(StandardCharsets.UTF_8)));
        TextMatcher without = matcher(Regex.ANY_TEXT.without(Regex.text("</a>")));
        assertTrue(without.matches("x</a".getBytes(StandardCharsets.UTF_8)));
        assertFalse(without.matches("x</a>y".getBytes(StandardCharsets.UTF_8)));
    }
}
