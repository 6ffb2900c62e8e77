// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// How many bytes and special tokens are missing at least until a text may end: of the states of an
/// automaton's terminals by their derivatives, of its stacks by the shortest text of each rule.
final class EndDistance {
    /// That of a place without a way to an end; products of two of these fit into a long.
    static final long NONE = 1L << 31;

    private final RegexArena regexes;
    private final ExpressionNode[] rules;

    /// By the number of a rule.
    private final long[] shortest;

    private final Map<RegexNode, Long> ofStates = new HashMap<>();
    private final Map<Stacks, Long> ofStacks = new HashMap<>();

    /// @param grammar that the automaton whose places are asked for was made of
    EndDistance(NormalGrammar grammar) {
        regexes = grammar.arena().regexes;
        rules = grammar.rules();
        shortest = new long[rules.length];
        Arrays.fill(shortest, NONE);
        boolean changed = true;
        while (changed) {
            changed = false;
            for (int i = rules.length - 1; i >= 0; i--) {
                long length = of(rules[i]);
                changed |= length != shortest[i];
                shortest[i] = length;
            }
        }
    }

    /// [#NONE] where there is no end.
    long of(Configuration place) {
        long least = place.accepting ? 0 : NONE;
        for (int i = 0; i < place.states.length; i++) {
            least = Math.min(least, of(place.states[i]) + of(place.stacks[i]));
        }
        for (Stacks after : place.afterSpecials) {
            least = Math.min(least, 1 + of(after));
        }
        return least;
    }

    private long of(Stacks stacks) {
        Long known = ofStacks.get(stacks);
        if (known != null) {
            return known;
        }
        long least = stacks.bottom ? 0 : NONE;
        for (Stacks.Frame frame : stacks.frames) {
            least = Math.min(least, of(frame.rest()) + of(frame.below()));
        }
        ofStacks.put(stacks, least);
        return least;
    }

    private long of(ExpressionNode node) {
        return switch (node.kind) {
            case EMPTY -> 0;
            case TERMINAL -> of(Objects.requireNonNull(node.regex));
            case SPECIAL -> 1;
            case REFERENCE -> shortest[node.number];
            case REPEAT -> Math.min(NONE, node.number * of(node.head()));
            case CHOICE -> {
                long least = NONE;
                for (ExpressionNode option : node.items) {
                    least = Math.min(least, of(option));
                }
                yield least;
            }
            case SEQUENCE -> {
                long sum = 0;
                ExpressionNode rest = node;
                for (; rest.kind == ExpressionNode.Kind.SEQUENCE; rest = rest.tail()) {
                    sum += of(rest.head());
                }
                yield Math.min(NONE, sum + of(rest));
            }
        };
    }

    private long of(RegexNode node) {
        if (node.nullable) {
            return 0;
        }
        Long known = ofStates.get(node);
        if (known == null) {
            known = Math.min(NONE, find(node));
            ofStates.put(node, known);
        }
        return known;
    }

    private long find(RegexNode node) {
        return switch (node.kind) {
            case NOTHING -> NONE;
            case EMPTY -> 0;
            case BYTES -> 1;
            case REPEAT -> node.min * of(node.head());
            case UNION -> Arrays.stream(node.items).mapToLong(this::of).min().orElse(NONE);
            case CONCATENATION -> {
                long sum = 0;
                RegexNode rest = node;
                for (; rest.kind == RegexNode.Kind.CONCATENATION; rest = rest.tail()) {
                    sum += of(rest.head());
                }
                yield sum + of(rest);
            }
            case INTERSECTION, COMPLEMENT -> search(node);
        };
    }

    /// Searches the derivatives breadth first.
    private long search(RegexNode start) {
        Map<RegexNode, Long> depths = new HashMap<>();
        List<RegexNode> queue = new ArrayList<>(List.of(start));
        depths.put(start, 0L);
        long least = NONE;
        for (int i = 0; i < queue.size(); i++) {
            RegexNode node = queue.get(i);
            long depth = Objects.requireNonNull(depths.get(node));
            if (depth >= least) {
                break;
            }
            boolean opaque =
                    node.kind == RegexNode.Kind.INTERSECTION
                            || node.kind == RegexNode.Kind.COMPLEMENT;
            Long known = node.nullable ? Long.valueOf(0) : ofStates.get(node);
            if (known == null && !opaque) {
                known = of(node);
            }
            if (known != null) {
                least = Math.min(least, depth + known);
                continue;
            }
            for (int c = 0; c < regexes.classes.count(); c++) {
                RegexNode next = regexes.step(node, c);
                if (next != regexes.nothing && depths.putIfAbsent(next, depth + 1) == null) {
                    queue.add(next);
                }
            }
        }
        return least;
    }
}
