// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.CodePoints;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.JsonText;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;

/// Languages of JSON strings with their quotes.
final class StringText {
    static final Regex ALL = length(0, Regex.UNBOUNDED);

    private StringText() {}

    private static Regex quoted(Regex inside) {
        return inside.equals(Language.NOTHING)
                ? inside
                : Language.sequence(Language.text("\""), inside, Language.text("\""));
    }

    /// Strings of `min` to `max` code points.
    static Regex length(int min, int max) {
        return quoted(Language.repeat(JsonText.any(), min, max));
    }

    static Regex containing(String pattern) {
        return quoted(RegexSyntax.containing(pattern, Dialect.ECMA_262, JsonText.INSTANCE));
    }

    /// As [#containing], for an expression of ours.
    static Regex ofFormat(String pattern) {
        return quoted(RegexSyntax.containingTrusted(pattern, Dialect.ECMA_262, JsonText.INSTANCE));
    }

    /// One spelling of a string, with quotes.
    static String plain(String content) {
        var text = new StringBuilder("\"");
        content.chars()
                .forEach(
                        c -> {
                            if (c == '"' || c == '\\') {
                                text.append('\\').append((char) c);
                            } else if (c < 0x20) {
                                text.append("\\" + "u%04x".formatted(c));
                            } else {
                                text.append((char) c);
                            }
                        });
        return text.append('"').toString();
    }

    static Regex exactly(String text) {
        return quoted(spelled(text.codePoints().toArray(), 0));
    }

    private static Regex spelled(int[] text, int from) {
        var items = new ArrayList<Regex>();
        for (int i = from; i < text.length; i++) {
            items.add(JsonText.INSTANCE.of(CodePoints.of(text[i])));
        }
        return Language.sequence(items);
    }

    /// Any of the texts, as a tree over their beginnings.
    static Regex anyOf(Collection<String> texts) {
        return quoted(
                tree(texts.stream().distinct().map(t -> t.codePoints().toArray()).toList(), 0));
    }

    private static Regex tree(List<int[]> texts, int from) {
        if (texts.size() == 1) {
            return spelled(texts.getFirst(), from);
        }
        var options = new ArrayList<Regex>();
        var branches = new TreeMap<Integer, List<int[]>>();
        for (int[] text : texts) {
            if (text.length == from) {
                options.add(Language.EMPTY);
            } else {
                branches.computeIfAbsent(text[from], _ -> new ArrayList<>()).add(text);
            }
        }
        branches.forEach(
                (first, rest) ->
                        options.add(
                                Language.sequence(
                                        JsonText.INSTANCE.of(CodePoints.of(first)),
                                        tree(rest, from + 1))));
        return Language.union(options);
    }
}
