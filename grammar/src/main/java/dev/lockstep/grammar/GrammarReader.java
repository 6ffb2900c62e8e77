// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/// Reads what [GrammarWriter] writes, and checks it as if it came from anybody.
final class GrammarReader {
    private final byte[] bytes;
    private final Budget budget;
    private int position;

    GrammarReader(byte[] bytes, GrammarLimits limits) {
        this.bytes = bytes;
        this.budget = new Budget(limits);
    }

    NormalGrammar read() {
        if (!Arrays.equals(bytes, 0, Math.min(bytes.length, 4), GrammarWriter.MAGIC, 0, 4)) {
            throw new GrammarException("an encoded grammar of another version");
        }
        position = 4;
        int setCount = count();
        List<BitSet> sets = new ArrayList<>();
        for (int i = 0; i < setCount; i++) {
            sets.add(set());
        }
        var regexes = new RegexArena(budget, sets);
        List<RegexNode> regexNodes = readRegexes(regexes, sets);
        var arena = new ExpressionArena(regexes);
        ExpressionNode[] rules = readRules(arena, regexNodes);
        if (position != bytes.length) {
            throw new GrammarException("an encoded grammar with bytes after its end");
        }
        var analysis = new RuleAnalysis(arena, rules);
        for (boolean productive : analysis.productive()) {
            if (!productive) {
                throw new GrammarException("an encoded grammar with a rule that matches nothing");
            }
        }
        analysis.findNullable();
        analysis.requireNoLeftRecursion();
        return new NormalGrammar(arena, rules, 0);
    }

    private List<RegexNode> readRegexes(RegexArena arena, List<BitSet> sets) {
        int count = count();
        List<RegexNode> nodes = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            RegexNode.Kind kind = regexKind(below(RegexNode.Kind.values().length));
            BitSet set =
                    kind == RegexNode.Kind.BYTES ? sets.get(below(sets.size())) : new BitSet(0);
            List<RegexNode> items = items(nodes);
            nodes.add(
                    switch (kind) {
                        case NOTHING -> arena.nothing;
                        case EMPTY -> arena.empty;
                        case BYTES -> arena.bytes(set);
                        case CONCATENATION -> {
                            requireItems(items, 2);
                            yield arena.concatenation(items.get(0), items.get(1));
                        }
                        case UNION -> arena.union(items);
                        case INTERSECTION -> arena.intersection(items);
                        case COMPLEMENT -> {
                            requireItems(items, 1);
                            yield arena.complement(items.get(0));
                        }
                        case REPEAT -> {
                            requireItems(items, 1);
                            int min = below(Integer.MAX_VALUE + 1L);
                            yield arena.repeat(items.get(0), min, max(min));
                        }
                    });
        }
        return nodes;
    }

    private ExpressionNode[] readRules(ExpressionArena arena, List<RegexNode> regexes) {
        int ruleCount = count();
        if (ruleCount == 0) {
            throw new GrammarException("an encoded grammar without rules");
        }
        int count = count();
        List<ExpressionNode> nodes = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            nodes.add(
                    switch (expressionKind(below(ExpressionNode.Kind.values().length))) {
                        case EMPTY -> arena.empty;
                        case TERMINAL -> arena.terminal(regexes.get(below(regexes.size())));
                        case SPECIAL -> arena.special(below(Integer.MAX_VALUE + 1L));
                        case REFERENCE -> arena.reference(below(ruleCount));
                        case SEQUENCE -> {
                            List<ExpressionNode> items = items(nodes);
                            requireItems(items, 2);
                            yield arena.sequence(items.get(0), items.get(1));
                        }
                        case CHOICE -> arena.choice(items(nodes));
                        case REPEAT -> {
                            List<ExpressionNode> items = items(nodes);
                            requireItems(items, 1);
                            int min = below(Integer.MAX_VALUE + 1L);
                            yield arena.repeat(items.get(0), min, max(min));
                        }
                    });
        }
        ExpressionNode[] rules = new ExpressionNode[ruleCount];
        for (int i = 0; i < ruleCount; i++) {
            rules[i] = nodes.get(below(nodes.size()));
        }
        return rules;
    }

    private static RegexNode.Kind regexKind(int code) {
        for (RegexNode.Kind kind : RegexNode.Kind.values()) {
            if (kind.code == code) {
                return kind;
            }
        }
        throw new GrammarException("an encoded grammar with a language of kind " + code);
    }

    private static ExpressionNode.Kind expressionKind(int code) {
        for (ExpressionNode.Kind kind : ExpressionNode.Kind.values()) {
            if (kind.code == code) {
                return kind;
            }
        }
        throw new GrammarException("an encoded grammar with an expression of kind " + code);
    }

    private <T> List<T> items(List<T> before) {
        int count = count();
        List<T> items = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            items.add(before.get(below(before.size())));
        }
        return items;
    }

    private static void requireItems(List<?> items, int count) {
        if (items.size() != count) {
            throw new GrammarException(
                    "an encoded grammar with %d items instead of %d"
                            .formatted(items.size(), count));
        }
    }

    private int max(int min) {
        long max = number() - 1;
        if (max != Regex.UNBOUNDED && (max < min || max > Integer.MAX_VALUE)) {
            throw new GrammarException(
                    "an encoded grammar with a repetition of %d to %d times".formatted(min, max));
        }
        return (int) max;
    }

    private BitSet set() {
        int runs = count();
        var set = new BitSet(256);
        int from = 0;
        for (int i = 0; i < runs; i++) {
            int end = from + below(257 - from);
            if (i % 2 == 1) {
                set.set(from, end);
            }
            from = end;
        }
        return set;
    }

    /// A number of things of at least one byte each.
    private int count() {
        long count = number();
        if (count > bytes.length - position) {
            throw new GrammarException("an encoded grammar that ends too early");
        }
        budget.work(count);
        return (int) count;
    }

    private int below(long bound) {
        long value = number();
        if (value >= bound) {
            throw new GrammarException(
                    "an encoded grammar with %d where less than %d is due".formatted(value, bound));
        }
        return (int) value;
    }

    private long number() {
        long value = 0;
        for (int shift = 0; shift <= 35; shift += 7) {
            if (position >= bytes.length) {
                throw new GrammarException("an encoded grammar that ends too early");
            }
            int next = bytes[position++];
            value |= (long) (next & 0x7F) << shift;
            if (next >= 0) {
                return value;
            }
        }
        throw new GrammarException("an encoded grammar with a number of more than 42 bits");
    }
}
