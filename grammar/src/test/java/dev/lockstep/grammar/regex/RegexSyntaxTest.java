// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.grammar.Regex;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RegexSyntaxTest {
    private static final String[] ATOMS = {
        "a", "b", "-", "é", "😀", ".", "\\d", "\\w", "\\s", "\\W", "\\D", "[ab]", "[^ab]", "[a-d]",
        "[^\\d-]", "\\x61", "\\u00e9", "\\p{L}", "\\P{Lu}", "\\.", "\\n", "[\\w.-]", "[^x]"
    };
    private static final String[] TEXTS = {
        "a", "b", "c", "-", "é", "😀", "1", " ", "\n", ".", "_", "B"
    };

    @Test
    void randomPatternsMatchAsJavasDo() {
        var random = new Random(7);
        int refusals = 0;
        for (int i = 0; i < 200; i++) {
            String pattern = pattern(random, 3);
            try {
                compare(pattern, random);
            } catch (RegexException refused) {
                assertTrue(
                        String.valueOf(refused.getMessage()).contains("look around"),
                        refused.getMessage());
                refusals++;
            }
        }
        assertTrue(refusals < 60, "refused: " + refusals);
    }

    private static void compare(String pattern, Random random) {
        java.util.regex.Pattern oracle =
                // Java's $ also matches before a last line feed.
                java.util.regex.Pattern.compile(pattern.replace("$", "\\z"));
        var whole = new Matching(RegexSyntax.whole(pattern, Dialect.ECMA_262));
        var found = new Matching(RegexSyntax.containing(pattern, Dialect.ECMA_262, Alphabet.UTF_8));
        for (int j = 0; j < 12; j++) {
            var text = new StringBuilder();
            for (int k = random.nextInt(6); k > 0; k--) {
                text.append(TEXTS[random.nextInt(TEXTS.length)]);
            }
            byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
            assertEquals(
                    oracle.matcher(text).matches(),
                    whole.matches(bytes),
                    () -> "all of '" + text + "' by " + pattern);
            assertEquals(
                    oracle.matcher(text).find(),
                    found.matches(bytes),
                    () -> "some of '" + text + "' by " + pattern);
        }
    }

    private static String pattern(Random random, int depth) {
        if (depth == 0) {
            return ATOMS[random.nextInt(ATOMS.length)];
        }
        String one = pattern(random, depth - 1);
        String group = "(?:" + one + ")";
        return switch (random.nextInt(13)) {
            case 0 -> one + "|" + pattern(random, depth - 1);
            case 1, 2, 3 -> group + pattern(random, depth - 1);
            case 4 -> group + "*";
            case 5 -> group + "+?";
            case 6 -> group + "?" + pattern(random, depth - 1);
            case 7 -> group + "{1,3}";
            case 8 -> "(?:^|" + group + ")" + pattern(random, depth - 1);
            case 9 -> group + "(?:$|" + pattern(random, depth - 1) + ")";
            case 10 -> "(?=" + one + ")" + group + pattern(random, depth - 1);
            case 11 -> "(?!" + one + ")" + pattern(random, depth - 1);
            default -> "(" + one + ")" + (random.nextBoolean() ? "\\b" : "\\B") + ".?";
        };
    }

    @ParameterizedTest
    @CsvSource({
        "(?i)straße, STRASSE, false",
        "(?i)straße, STRAßE, true",
        "(?i)[a-c]+, aBC, true",
        "(?P<y>\\d{4})-(?P<m>\\d\\d), 2024-05, true",
        "\\Aab\\Z, ab, true",
        "[]a]+, ]a, true",
        "a{, a{, true",
        "a{}x, a{}x, true",
        "\\p{Greek}+, αβγ, false",
        "\\p{sc=Greek}+, αβγ, true",
        "(?s)a.b, 'a\nb', true",
        "a.b, 'a\nb', false"
    })
    void pythonsFormsAreRead(String pattern, String text, boolean matches) {
        if (pattern.contains("{Greek}")) {
            assertThrows(RegexException.class, () -> RegexSyntax.whole(pattern, Dialect.PYTHON));
            return;
        }
        var automaton = new Matching(RegexSyntax.whole(pattern, Dialect.PYTHON));
        assertEquals(matches, automaton.matches(text.getBytes(StandardCharsets.UTF_8)));
    }

    @ParameterizedTest
    @CsvSource({
        "(a)\\1, 3, backreference",
        "(?<=a)b, 0, look behind",
        "(?>a), 0, kind",
        "a++, 2, possessive",
        "ab(, 2, without ')'",
        "ab), 2, without '('",
        "'[a', 0, without ']'",
        "a{2147483647}, 1, limit",
        "'a{3,2}', 1, '{3,2}'",
        "(?:(?!a)b)*, 0, look around",
        "\\p{Nonsense}, 0, not known",
        "*a, 0, nothing to repeat",
        "\\ud800, 0, surrogate",
        "[b-a], 2, ends before",
        "(?:(?:a{1000}){1000}){1000}, 0, nested",
        "\\q, 0, not supported"
    })
    void whatIsNotRegularOrMalformedIsRefusedWithItsPlace(String pattern, int at, String what) {
        RegexException refused =
                assertThrows(
                        RegexException.class, () -> RegexSyntax.whole(pattern, Dialect.ECMA_262));
        assertEquals(at, refused.position(), refused.getMessage());
        assertTrue(String.valueOf(refused.getMessage()).contains(what), refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"a\nb", "", "\u2028", "'"})
    void theRefusalOfAPropertyIsOneLine(String name) {
        RegexException refused =
                assertThrows(
                        RegexException.class,
                        () -> RegexSyntax.whole("\\p{" + name + "}", Dialect.ECMA_262));
        assertEquals(
                "what is in the braces of \\p is not the name of a property at position 0 of the regular expression",
                refused.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"\"", "\\", "\n", "é", "😀", "\u0001", "a/b", "\u007f", "漢字"})
    void aTextIsMatchedAsJsonSpellsIt(String text) {
        var any =
                new Matching(RegexSyntax.containing("^[^]+$", Dialect.ECMA_262, JsonText.INSTANCE));
        var negated =
                new Matching(
                        RegexSyntax.containing(
                                "^(?!x)[^x]*$", Dialect.ECMA_262, JsonText.INSTANCE));
        var escaped = new StringBuilder();
        var raw = new StringBuilder();
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            String hex = "\\u%04x".formatted((int) c);
            escaped.append(c < 0x20 || c > 0x7e ? hex : "\"\\".indexOf(c) >= 0 ? "\\" + c : "" + c);
            raw.append(
                    c == '\n'
                            ? "\\n"
                            : c < 0x20 ? hex : "\"\\".indexOf(c) >= 0 ? "\\" + c : "" + c);
        }
        for (var spelling : new StringBuilder[] {escaped, raw}) {
            byte[] bytes = spelling.toString().getBytes(StandardCharsets.UTF_8);
            assertTrue(any.matches(bytes), spelling.toString());
            assertTrue(negated.matches(bytes), spelling.toString());
        }
    }

    @Test
    void limitsHoldAtTheirValue() {
        RegexSyntax.whole("a".repeat(RegexSyntax.MAX_LENGTH), Dialect.PYTHON);
        assertThrows(
                RegexException.class,
                () -> RegexSyntax.whole("a".repeat(RegexSyntax.MAX_LENGTH + 1), Dialect.PYTHON));
        RegexSyntax.whole("a{0,10000}", Dialect.PYTHON);
        assertThrows(RegexException.class, () -> RegexSyntax.whole("a{0,10001}", Dialect.PYTHON));
        String deep = "(".repeat(63) + "a" + ")".repeat(63);
        RegexSyntax.whole(deep, Dialect.PYTHON);
        assertThrows(
                RegexException.class, () -> RegexSyntax.whole("(" + deep + ")", Dialect.PYTHON));
    }

    private static final class Matching {
        private final Recognizer recognizer = new Recognizer(Long.MAX_VALUE);
        private final Regex language;

        Matching(Regex language) {
            this.language = language;
        }

        boolean matches(byte[] text) {
            return recognizer.matches(language, text);
        }
    }
}
