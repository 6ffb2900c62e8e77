// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// Splitting of texts at separators, blanks or line ends.
final class TextSplit {
    private TextSplit() {}

    static List<Object> split(String text, String method, CallArguments arguments, Budget budget) {
        return switch (method) {
            case "partition", "rpartition" -> partition(text, method, arguments);
            case "splitlines" ->
                    lines(
                            text,
                            arguments.bind(method, "keepends").truth("keepends", false),
                            budget);
            default -> {
                CallArguments.Bound bound = arguments.bind(method, "sep", "maxsplit");
                long maxSplits = bound.integer("maxsplit", -1);
                boolean fromEnd = method.equals("rsplit");
                yield bound.optionalText("sep")
                        .map(separator -> at(text, separator, maxSplits, fromEnd, budget))
                        .orElseGet(() -> atBlanks(text, maxSplits, fromEnd, budget));
            }
        };
    }

    private static List<Object> partition(String text, String method, CallArguments arguments) {
        String separator = arguments.bind(method, "sep").text("sep", "");
        requireSeparator(separator);
        boolean last = method.equals("rpartition");
        int at = last ? Needle.last(separator, text) : new Needle(separator).in(text, 0);
        if (at < 0) {
            return last ? Tuple.of("", "", text) : Tuple.of(text, "", "");
        }
        return Tuple.of(text.substring(0, at), separator, text.substring(at + separator.length()));
    }

    private static void requireSeparator(String separator) {
        if (separator.isEmpty()) {
            throw new TemplateException("empty separator");
        }
    }

    private static List<Object> at(
            String text, String separator, long maxSplits, boolean fromEnd, Budget budget) {
        requireSeparator(separator);
        if (fromEnd) {
            List<Object> parts = new ArrayList<>();
            String backwards = Needle.reverse(separator);
            for (Object part : at(Needle.reverse(text), backwards, maxSplits, false, budget)) {
                parts.add(Needle.reverse(part.toString()));
            }
            Collections.reverse(parts);
            return parts;
        }
        List<Object> parts = new ArrayList<>();
        var needle = new Needle(separator);
        long left = maxSplits < 0 ? Long.MAX_VALUE : maxSplits;
        int from = 0;
        int found = needle.in(text, 0);
        while (left-- > 0 && found >= 0) {
            add(parts, text.substring(from, found), budget);
            from = found + separator.length();
            found = needle.in(text, from);
        }
        add(parts, text.substring(from), budget);
        return parts;
    }

    /// Splits at blanks; blanks around the text are dropped, except those beyond the last split
    /// that `maxSplits` allows.
    private static List<Object> atBlanks(
            String text, long maxSplits, boolean fromEnd, Budget budget) {
        List<Object> parts = new ArrayList<>();
        int from = CharacterTests.skipSpace(text, 0);
        int to = CharacterTests.skipSpaceBack(text, text.length());
        while (from < to) {
            if (parts.size() == maxSplits) {
                add(parts, fromEnd ? text.substring(0, to) : text.substring(from), budget);
                break;
            }
            if (fromEnd) {
                int word = to;
                while (word > from && !CharacterTests.isSpace(text.charAt(word - 1))) {
                    word--;
                }
                add(parts, text.substring(word, to), budget);
                to = CharacterTests.skipSpaceBack(text, word);
            } else {
                int word = from;
                while (word < to && !CharacterTests.isSpace(text.charAt(word))) {
                    word++;
                }
                add(parts, text.substring(from, word), budget);
                from = CharacterTests.skipSpace(text, word);
            }
        }
        if (fromEnd) {
            Collections.reverse(parts);
        }
        return parts;
    }

    static List<Object> lines(String text, boolean keepsEnds, Budget budget) {
        List<Object> lines = new ArrayList<>();
        int from = 0;
        while (from < text.length()) {
            int end = from;
            while (end < text.length() && !CharacterTests.endsLine(text.charAt(end))) {
                end++;
            }
            int next = Math.min(text.length(), end + (text.startsWith("\r\n", end) ? 2 : 1));
            add(lines, text.substring(from, keepsEnds ? next : end), budget);
            from = next;
        }
        return lines;
    }

    private static void add(List<Object> parts, String part, Budget budget) {
        budget.step();
        budget.requireItems(parts.size() + 1L);
        parts.add(part);
    }
}
