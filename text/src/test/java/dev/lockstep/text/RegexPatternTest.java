// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;

final class RegexPatternTest {
    @Test
    void matchesAreFoundOnlyInThePiece() {
        assertArrayEquals(new int[] {2, 4, 5, 6}, find("a+", "xxaaxaaa", 2, 6));
    }

    @Test
    void excessiveBacktrackingRefusesTheText() {
        assertThrows(
                IllegalArgumentException.class, () -> find("a*a*a*a*b", "a".repeat(500), 0, 500));
        assertThrows(
                IllegalArgumentException.class,
                () -> find("(?:a|b)*c", "ab".repeat(200_000), 0, 400_000));
    }

    @Test
    void syntaxThatTheJdkDoesNotHaveIsRefused() {
        for (String expression :
                new String[] {
                    "(a",
                    "a)",
                    "[a",
                    "\\y",
                    "a\\Kb",
                    "(?~a)",
                    "\\g<1>",
                    "\\p{In_Greek}",
                    "[[:nose:]]",
                    "\\xE9",
                    "a\\"
                }) {
            IllegalArgumentException refusal =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> new RegexPattern(expression),
                            expression);
            assertTrue(
                    String.valueOf(refusal.getMessage()).contains("not supported"),
                    refusal::getMessage);
        }
    }

    /// Repetitions that read no character are not in the budget of steps.
    @Test
    void groupsThatRepeatTooOftenAreRefused() {
        for (String expression :
                new String[] {
                    "(?:(?:){3000}){3000}",
                    "(?:(?:(?:a?){30}){30,}){30}+",
                    "(?:){10}+{10}+{10}+",
                    "(?:^{40}){40}",
                    "(?:){600}|(?:){600}",
                    "(?=(\\b){1001})a",
                    "(?:(?:){999999}){999999}".repeat(4)
                }) {
            IllegalArgumentException refusal =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> new RegexPattern(expression),
                            expression);
            String message = String.valueOf(refusal.getMessage());
            assertTrue(message.contains("times, at most 1000 are possible"), message);
        }
        assertArrayEquals(new int[] {0, 4}, find("(?:(?:a{2}){2}){1,900}a{0,2000}", "aaaab", 0, 5));
        assertArrayEquals(new int[] {0, 3}, find("(?:x?){900}(?:){0,9999}", "xxx", 0, 3));
    }

    @Test
    void aSuffixOfAnIntervalIsTranslatedInLinearTime() {
        assertEquals(
                "(?:(?:(?:a{1,2})+b(?:(?:c){2})?))+",
                OnigurumaSyntax.toJava("(?:a{1,2}+b(?:c){2}?){1}+").replace("{1}", ""));
        assertTimeoutPreemptively(
                Duration.ofSeconds(60), () -> OnigurumaSyntax.toJava("a{1}?".repeat(500_000)));
    }

    @Test
    void scriptsAreNamedWithoutAPrefix() {
        assertArrayEquals(new int[] {1, 3}, find("\\p{Han}+", "a我想b", 0, 4));
        assertArrayEquals(new int[] {0, 1, 3, 4}, find("\\P{Han}+", "a我想b", 0, 4));
        assertArrayEquals(new int[] {0, 1, 3, 4}, find("\\p{^han}+", "a我想b", 0, 4));
    }

    @Test
    void emptyMatchesAreReportedExceptRightAfterAMatch() {
        assertArrayEquals(new int[] {1, 1}, find("(?=(\\d{3})+(?!\\d))", "1234", 0, 4));
        assertArrayEquals(new int[] {0, 0, 1, 3, 4, 4}, find("x*", "axxb", 0, 4));
    }

    @Test
    void simpleClassesDoNotNeedTheGeneralEngine() {
        assertInstanceOf(RunPattern.class, TokenPatterns.of("\\p{N}{1,3}"));
        assertInstanceOf(RunPattern.class, TokenPatterns.of("\\s?[^\\s\\-a-z]+"));
        assertInstanceOf(RegexPattern.class, TokenPatterns.of("[\\p{Han}]+"));
    }

    @Test
    void aCategoryWithoutBracesIsNotASimpleClass() {
        assertInstanceOf(RegexPattern.class, TokenPatterns.of("[\\p}]+"));
        assertInstanceOf(RegexPattern.class, TokenPatterns.of("[a\\p]+"));
        assertInstanceOf(RegexPattern.class, TokenPatterns.of("[\\pLN}]+"));
    }

    private static int[] find(String expression, String text, int from, int to) {
        var matches = new IntList();
        new RegexPattern(expression).find(text.toCharArray(), from, to, matches);
        return matches.toArray();
    }
}
