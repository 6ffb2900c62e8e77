// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

final class StopStringsTest {
    @Test
    void textWithoutStopStringsPassesImmediately() {
        var stops = new StopStrings(List.of(), false);
        assertEquals("Hello", stops.push("Hello").text());
        assertEquals("", stops.finish().text());
    }

    @Test
    void onlyAPossibleStartOfAStopStringIsWithheld() {
        var stops = new StopStrings(List.of("\n\nUser:"), false);
        assertEquals("Hello", stops.push("Hello\n").text());
        assertEquals("\nfine", stops.push("fine").text());
        assertEquals("", stops.push("\n\nUs").text());
        assertEquals("\n\nUsing", stops.push("ing").text());
        assertEquals("", stops.push("\n\nUser").text());
        StopStrings.Result end = stops.push(": hidden");
        assertEquals("", end.text());
        assertEquals(Optional.of("\n\nUser:"), end.stop());
        assertEquals("", stops.push("more").text());
        assertEquals("", stops.finish().text());
    }

    @Test
    void withheldTextIsReturnedAtTheEnd() {
        var stops = new StopStrings(List.of("STOP"), false);
        assertEquals("a ", stops.push("a STO").text());
        StopStrings.Result end = stops.finish();
        assertEquals("STO", end.text());
        assertTrue(end.stop().isEmpty());
    }

    @Test
    void theStopStringIsIncludedOnRequest() {
        var stops = new StopStrings(List.of("STOP"), true);
        assertEquals("a ", stops.push("a ST").text());
        assertEquals("STOP", stops.push("OP b").text());
    }

    @Test
    void theStopStringThatBeginsEarlierWinsEvenIfItEndsLater() {
        var stops = new StopStrings(List.of("bc", "abcd"), false);
        assertEquals("", stops.push("abc").text());
        assertEquals(Optional.of("abcd"), stops.push("d").stop());

        var undecided = new StopStrings(List.of("bc", "abcd"), false);
        undecided.push("abc");
        StopStrings.Result other = undecided.push("x");
        assertEquals("a", other.text());
        assertEquals(Optional.of("bc"), other.stop());
    }

    @Test
    void theFirstListedOfTwoAtOnePositionWins() {
        assertEquals(
                Optional.of("ab"), new StopStrings(List.of("ab", "abc"), false).push("abc").stop());
        assertEquals(
                Optional.of("abc"),
                new StopStrings(List.of("abc", "ab"), false).push("abc").stop());
    }

    @Test
    void aFoundStopStringStopsAtTheEndIfABetterOneIsStillOpen() {
        var stops = new StopStrings(List.of("abc", "ab"), false);
        assertEquals("x", stops.push("xab").text());
        assertEquals(Optional.of("ab"), stops.finish().stop());
    }

    @Test
    void aStopStringThatEndsWhereTheTextMayNotStopIsText() {
        var stops = new StopStrings(List.of("aba"), false);
        assertEquals("xab", stops.push("xaba", false).text());
        assertEquals(Optional.of("aba"), stops.push("ba", true).stop());

        var across = new StopStrings(List.of("H I"), false);
        assertEquals(" D E F G ", across.push(" D E F G H", false).text());
        assertEquals(new StopStrings.Result("", Optional.of("H I")), across.push(" I"));

        var never = new StopStrings(List.of("H I"), false);
        assertEquals("H I", never.push("H I", false).text());
        assertEquals("J", never.push("J").text());
    }

    @Test
    void anEmptyStopStringIsRefused() {
        assertThrows(IllegalArgumentException.class, () -> new StopStrings(List.of(""), false));
    }

    /// Uses two letters and short stop strings, so that overlaps of every kind occur in a few
    /// thousand texts.
    @Test
    void anyChunkingGivesTheResultOfASearchInTheWholeText() {
        var random = new Random(20260115);
        for (int round = 0; round < 20_000; round++) {
            String text = letters(random, random.nextInt(24));
            List<String> stopStrings = new ArrayList<>();
            for (int i = random.nextInt(4); i > 0; i--) {
                stopStrings.add(letters(random, 1 + random.nextInt(6)));
            }
            boolean include = random.nextBoolean();
            int mayStopAfter = random.nextBoolean() ? 0 : random.nextInt(8);
            StopStrings.Result expected = naive(text, stopStrings, include, mayStopAfter);
            String message = "round " + round + ": " + text + " " + stopStrings;
            assertEquals(
                    expected,
                    cut(text, stopStrings, include, mayStopAfter, random, message),
                    message);
        }
    }

    private static StopStrings.Result cut(
            String text,
            List<String> stopStrings,
            boolean include,
            int mayStopAfter,
            Random random,
            String message) {
        var stops = new StopStrings(stopStrings, include);
        var shown = new StringBuilder();
        Optional<String> stop = Optional.empty();
        int at = 0;
        while (at < text.length() && stop.isEmpty()) {
            int end = Math.min(text.length(), at + random.nextInt(4));
            if (at < mayStopAfter) {
                end = Math.min(end, mayStopAfter);
            }
            StopStrings.Result result = stops.push(text.substring(at, end), at >= mayStopAfter);
            shown.append(result.text());
            stop = result.stop();
            at = end;
            if (stop.isEmpty()) {
                String held = text.substring(shown.length(), at);
                assertTrue(
                        held.isEmpty()
                                || stopStrings.stream()
                                        .anyMatch(s -> s.startsWith(held) || held.contains(s)),
                        message + " holds " + held);
            }
        }
        if (stop.isEmpty()) {
            StopStrings.Result result = stops.finish();
            shown.append(result.text());
            stop = result.stop();
        }
        return new StopStrings.Result(shown.toString(), stop);
    }

    private static StopStrings.Result naive(
            String text, List<String> stopStrings, boolean include, int mayStopAfter) {
        int earliest = text.length();
        Optional<String> found = Optional.empty();
        for (String stop : stopStrings) {
            int at = text.indexOf(stop, Math.max(0, mayStopAfter - stop.length() + 1));
            if (at >= 0 && at < earliest) {
                earliest = at;
                found = Optional.of(stop);
            }
        }
        int end = earliest + (include ? found.map(String::length).orElse(0) : 0);
        return new StopStrings.Result(text.substring(0, end), found);
    }

    private static String letters(Random random, int length) {
        var letters = new StringBuilder();
        for (int i = 0; i < length; i++) {
            letters.append(random.nextInt(5) == 0 ? 'b' : 'a');
        }
        return letters.toString();
    }
}
