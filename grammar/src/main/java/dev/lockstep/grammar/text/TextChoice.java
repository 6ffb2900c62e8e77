// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// One of several texts.
public final class TextChoice {
    public static final int MAX_TEXTS = 10_000;

    private TextChoice() {}

    /// The grammar of exactly these texts.
    ///
    /// @throws IllegalArgumentException if there is none, or too many
    public static Grammar grammar(List<String> texts) {
        if (texts.isEmpty() || texts.size() > MAX_TEXTS) {
            throw new IllegalArgumentException(
                    "a choice of %d texts: 1 to %d are allowed".formatted(texts.size(), MAX_TEXTS));
        }
        List<int[]> distinct =
                texts.stream().distinct().map(text -> text.codePoints().toArray()).toList();
        return new Grammar(Map.of("choice", new Expression.Terminal(tree(distinct, 0))), "choice");
    }

    /// The texts from an index on, as a tree over their beginnings.
    private static Regex tree(List<int[]> texts, int from) {
        int shared = from;
        int[] first = texts.getFirst();
        while (shared < first.length && haveSame(texts, shared)) {
            shared++;
        }
        Regex beginning = Language.text(new String(first, from, shared - from));
        if (texts.size() == 1) {
            return beginning;
        }
        var options = new ArrayList<Regex>();
        var branches = new TreeMap<Integer, List<int[]>>();
        for (int[] text : texts) {
            if (text.length == shared) {
                options.add(Language.EMPTY);
            } else {
                branches.computeIfAbsent(text[shared], _ -> new ArrayList<>()).add(text);
            }
        }
        for (List<int[]> branch : branches.values()) {
            options.add(tree(branch, shared));
        }
        return Language.sequence(beginning, Language.union(options));
    }

    private static boolean haveSame(List<int[]> texts, int index) {
        int[] first = texts.getFirst();
        return texts.stream().allMatch(t -> index < t.length && t[index] == first[index]);
    }
}
