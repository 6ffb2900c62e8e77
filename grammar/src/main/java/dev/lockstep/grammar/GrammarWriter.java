// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.io.ByteArrayOutputStream;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/// Writes a grammar in normal form: sets of bytes, regular languages, expressions, rules; each
/// refers to what was written before it, by its place. [GrammarReader] reads it.
///
/// Numbers are written in groups of 7 bits, lowest first.
final class GrammarWriter {
    static final byte[] MAGIC = {'L', 'S', 'G', 1};

    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final Map<BitSet, Integer> sets = new LinkedHashMap<>();
    private final Map<RegexNode, Integer> regexes = new HashMap<>();
    private final Map<ExpressionNode, Integer> expressions = new HashMap<>();
    private final Map<Integer, Integer> rules = new LinkedHashMap<>();

    byte[] write(NormalGrammar grammar) {
        out.writeBytes(MAGIC);
        List<ExpressionNode> expressionNodes = neededExpressions(grammar);
        List<RegexNode> regexNodes = neededRegexes(expressionNodes);
        for (RegexNode node : regexNodes) {
            if (node.set != null) {
                sets.putIfAbsent(node.set, sets.size());
            }
        }
        number(sets.size());
        sets.keySet().forEach(this::set);
        number(regexNodes.size());
        for (RegexNode node : regexNodes) {
            number(node.kind.code);
            if (node.set != null) {
                number(Objects.requireNonNull(sets.get(node.set)));
            }
            items(node.items, regexes);
            if (node.kind == RegexNode.Kind.REPEAT) {
                number(node.min);
                number(node.max + 1L);
            }
            regexes.put(node, regexes.size());
        }
        number(rules.size());
        number(expressionNodes.size());
        for (ExpressionNode node : expressionNodes) {
            number(node.kind.code);
            switch (node.kind) {
                case EMPTY -> {}
                case TERMINAL ->
                        number(
                                Objects.requireNonNull(
                                        regexes.get(Objects.requireNonNull(node.regex))));
                case SPECIAL -> number(node.number);
                case REFERENCE -> number(Objects.requireNonNull(rules.get(node.number)));
                case SEQUENCE, CHOICE -> items(node.items, expressions);
                case REPEAT -> {
                    items(node.items, expressions);
                    number(node.number);
                    number(node.max + 1L);
                }
            }
            expressions.put(node, expressions.size());
        }
        for (int rule : rules.keySet()) {
            number(Objects.requireNonNull(expressions.get(grammar.rules()[rule])));
        }
        return out.toByteArray();
    }

    /// Sorted such that each comes after its parts.
    private List<ExpressionNode> neededExpressions(NormalGrammar grammar) {
        Set<ExpressionNode> needed = new HashSet<>();
        Deque<Integer> openRules = new ArrayDeque<>();
        Deque<ExpressionNode> open = new ArrayDeque<>();
        rules.put(grammar.start(), 0);
        openRules.add(grammar.start());
        while (!openRules.isEmpty()) {
            open.push(grammar.rules()[openRules.remove()]);
            while (!open.isEmpty()) {
                ExpressionNode node = open.pop();
                if (needed.add(node)) {
                    if (node.kind == ExpressionNode.Kind.REFERENCE
                            && rules.putIfAbsent(node.number, rules.size()) == null) {
                        openRules.add(node.number);
                    }
                    for (ExpressionNode item : node.items) {
                        open.push(item);
                    }
                }
            }
        }
        List<ExpressionNode> sorted = new ArrayList<>(needed);
        sorted.sort(Comparator.comparingInt(each -> each.id));
        return sorted;
    }

    private static List<RegexNode> neededRegexes(List<ExpressionNode> expressions) {
        Set<RegexNode> needed = new HashSet<>();
        Deque<RegexNode> open = new ArrayDeque<>();
        for (ExpressionNode each : expressions) {
            if (each.regex != null) {
                open.push(each.regex);
            }
        }
        while (!open.isEmpty()) {
            RegexNode node = open.pop();
            if (needed.add(node)) {
                for (RegexNode item : node.items) {
                    open.push(item);
                }
            }
        }
        List<RegexNode> sorted = new ArrayList<>(needed);
        sorted.sort(Comparator.comparingInt(each -> each.id));
        return sorted;
    }

    private <T> void items(T[] items, Map<T, Integer> places) {
        number(items.length);
        for (T item : items) {
            number(Objects.requireNonNull(places.get(item)));
        }
    }

    /// As lengths of runs outside and inside by turns.
    private void set(BitSet set) {
        List<Integer> runs = new ArrayList<>();
        int from = 0;
        boolean inside = false;
        while (from < 256) {
            int next = inside ? set.nextClearBit(from) : set.nextSetBit(from);
            int end = next < 0 ? 256 : Math.min(next, 256);
            runs.add(end - from);
            from = end;
            inside = !inside;
        }
        number(runs.size());
        runs.forEach(each -> number(each));
    }

    private void number(long value) {
        long rest = value;
        while (rest >= 0x80) {
            out.write((int) ((rest & 0x7F) | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }
}
