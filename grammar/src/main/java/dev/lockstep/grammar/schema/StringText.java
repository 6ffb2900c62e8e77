// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Alphabet;
import dev.lockstep.grammar.regex.CodePoints;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.JsonText;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;

/// Languages of strings in one spelling.
///
/// @param alphabet how a code point is spelled
/// @param quote what stands before and behind a string
record StringText(Alphabet alphabet, String quote) {
    static final StringText JSON = new StringText(JsonText.INSTANCE, "\"");

    /// Strings as they are, without quotes.
    static final StringText RAW = new StringText(Alphabet.UTF_8, "");

    /// All strings, whatever the spelling: [#resolved] where they are written.
    static final Regex ALL = JSON.quoted(Language.repeat(JsonText.any(), 0, Regex.UNBOUNDED));

    private Regex quoted(Regex inside) {
        return inside.equals(Language.NOTHING) || quote.isEmpty()
                ? inside
                : Language.sequence(Language.text(quote), inside, Language.text(quote));
    }

    /// All strings in this spelling.
    Regex all() {
        return equals(JSON)
                ? ALL
                : quoted(Language.repeat(alphabet.of(CodePoints.ALL), 0, Regex.UNBOUNDED));
    }

    /// A language of strings, of which [#ALL] stands for all in this spelling.
    Regex resolved(Regex strings) {
        return strings.equals(ALL) ? all() : strings;
    }

    /// All strings that are not in a language.
    Regex except(Regex some) {
        return ConstantKeywords.without(all(), resolved(some));
    }

    /// Strings of `min` to `max` code points.
    Regex length(int min, int max) {
        return min == 0 && max == Regex.UNBOUNDED
                ? ALL
                : quoted(Language.repeat(alphabet.of(CodePoints.ALL), min, max));
    }

    Regex containing(String pattern) {
        return quoted(RegexSyntax.containing(pattern, Dialect.ECMA_262, alphabet));
    }

    /// As [#containing], for an expression of ours.
    Regex ofFormat(String pattern) {
        return quoted(RegexSyntax.containingTrusted(pattern, Dialect.ECMA_262, alphabet));
    }

    /// One spelling of a string, with quotes.
    String plain(String content) {
        if (!equals(JSON)) {
            return quote + content + quote;
        }
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

    Regex exactly(String text) {
        return quoted(spelled(text.codePoints().toArray(), 0));
    }

    private Regex spelled(int[] text, int from) {
        var items = new ArrayList<Regex>();
        for (int i = from; i < text.length; i++) {
            items.add(alphabet.of(CodePoints.of(text[i])));
        }
        return Language.sequence(items);
    }

    /// Any of the texts, as a tree over their beginnings.
    Regex anyOf(Collection<String> texts) {
        return quoted(
                tree(texts.stream().distinct().map(t -> t.codePoints().toArray()).toList(), 0));
    }

    private Regex tree(List<int[]> texts, int from) {
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
                                        alphabet.of(CodePoints.of(first)), tree(rest, from + 1))));
        return Language.union(options);
    }
}
