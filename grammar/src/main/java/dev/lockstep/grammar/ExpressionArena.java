// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import dev.lockstep.grammar.ExpressionNode.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The expressions of one grammar in a normal form. Neighbouring terminals of bounded length, and
/// terminals that are options of one choice, become one terminal: the fewer terminals there are,
/// the fewer stacks a text has at once.
final class ExpressionArena {
    private static final int NODE_BYTES = 120;

    private record Key(
            Kind kind,
            List<ExpressionNode> items,
            @Nullable RegexNode regex,
            int number,
            int max) {}

    private final Map<Key, ExpressionNode> nodes = new HashMap<>();
    final Budget budget;
    final RegexArena regexes;
    final ExpressionNode empty;
    final ExpressionNode nothing;
    private boolean compiling = true;

    /// By id, what the grammar consists of.
    private ExpressionNode[] originals = ExpressionNode.NONE;

    ExpressionArena(RegexArena regexes) {
        this.regexes = regexes;
        this.budget = regexes.budget;
        empty = node(Kind.EMPTY, null, 0, 0);
        nothing = node(Kind.CHOICE, null, 0, 0);
    }

    void compiled() {
        compiling = false;
        regexes.compiled();
        originals = nodes.values().toArray(ExpressionNode.NONE);
        Arrays.sort(originals, (a, b) -> Integer.compare(a.id, b.id));
    }

    /// A node of another arena of the same grammar: what is no part of the grammar itself is the
    /// rest of a repetition.
    ExpressionNode rebuilt(ExpressionNode other) {
        return other.id < originals.length
                ? originals[other.id]
                : repetition(originals[other.head().id], other.number, other.max);
    }

    private ExpressionNode node(
            Kind kind, @Nullable RegexNode regex, int number, int max, ExpressionNode... items) {
        budget.work(1);
        var key = new Key(kind, Arrays.asList(items), regex, number, max);
        ExpressionNode known = nodes.get(key);
        if (known != null) {
            return known;
        }
        int depth = 0;
        for (int i = 0; i < items.length; i++) {
            boolean tail = kind == Kind.SEQUENCE && i == 1;
            depth = Math.max(depth, items[i].depth + (tail ? 0 : 1));
        }
        if (compiling) {
            budget.checkDepth(depth);
            budget.checkNodes(nodes.size());
        }
        budget.allocate(NODE_BYTES + 8L * items.length);
        var node = new ExpressionNode(nodes.size(), kind, depth, items, regex, number, max);
        node.nullable =
                switch (kind) {
                    case EMPTY -> true;
                    case TERMINAL -> Objects.requireNonNull(regex).nullable;
                    case SPECIAL, SEQUENCE, CHOICE, REFERENCE -> false;
                    case REPEAT -> number == 0;
                };
        nodes.put(key, node);
        return node;
    }

    ExpressionNode terminal(RegexNode regex) {
        if (regex == regexes.empty) {
            return empty;
        }
        return regexes.alive(regex) ? node(Kind.TERMINAL, regex, 0, 0) : nothing;
    }

    ExpressionNode special(int id) {
        return node(Kind.SPECIAL, null, id, 0);
    }

    ExpressionNode reference(int rule) {
        return node(Kind.REFERENCE, null, rule, 0);
    }

    ExpressionNode sequence(ExpressionNode first, ExpressionNode second) {
        if (first == nothing || second == nothing) {
            return nothing;
        }
        if (first == empty) {
            return second;
        }
        if (second == empty) {
            return first;
        }
        if (first.kind != Kind.SEQUENCE) {
            return join(first, second);
        }
        List<ExpressionNode> spine = new ArrayList<>();
        ExpressionNode rest = first;
        while (rest.kind == Kind.SEQUENCE) {
            spine.add(rest.head());
            rest = rest.tail();
        }
        ExpressionNode result = join(rest, second);
        for (ExpressionNode each : spine.reversed()) {
            result = join(each, result);
        }
        return result;
    }

    private ExpressionNode join(ExpressionNode head, ExpressionNode tail) {
        ExpressionNode next = tail.kind == Kind.SEQUENCE ? tail.head() : tail;
        if (head.kind == Kind.TERMINAL && next.kind == Kind.TERMINAL) {
            RegexNode first = Objects.requireNonNull(head.regex);
            if (first.size() <= RegexArena.LARGE) {
                RegexNode second = Objects.requireNonNull(next.regex);
                ExpressionNode both = terminal(regexes.concatenation(first, second));
                return next == tail ? both : node(Kind.SEQUENCE, null, 0, 0, both, tail.tail());
            }
        }
        return node(Kind.SEQUENCE, null, 0, 0, head, tail);
    }

    ExpressionNode choice(Collection<ExpressionNode> options) {
        Set<ExpressionNode> flat = new LinkedHashSet<>();
        List<RegexNode> terminals = new ArrayList<>();
        boolean orEmpty = false;
        for (ExpressionNode option : options) {
            budget.work(1 + option.items.length);
            for (ExpressionNode each :
                    option.kind == Kind.CHOICE ? option.items : new ExpressionNode[] {option}) {
                if (each.kind == Kind.TERMINAL) {
                    terminals.add(Objects.requireNonNull(each.regex));
                } else if (each == empty) {
                    orEmpty = true;
                } else {
                    flat.add(each);
                }
            }
        }
        if (orEmpty && (flat.isEmpty() || !terminals.isEmpty())) {
            terminals.add(regexes.empty);
            orEmpty = false;
        }
        if (!terminals.isEmpty()) {
            flat.add(terminal(regexes.union(terminals)));
        }
        if (orEmpty) {
            flat.add(empty);
        }
        return flat.size() == 1
                ? flat.iterator().next()
                : node(Kind.CHOICE, null, 0, 0, flat.toArray(ExpressionNode.NONE));
    }

    ExpressionNode repeat(ExpressionNode item, int min, int max) {
        if (item == empty || max == 0) {
            return empty;
        }
        if (item == nothing) {
            return min == 0 ? empty : nothing;
        }
        int least = item.nullable ? 0 : min;
        if (item.kind == Kind.TERMINAL) {
            RegexNode regex = Objects.requireNonNull(item.regex);
            if (regex.size() <= RegexArena.LARGE || max == 1) {
                return terminal(regexes.repeat(regex, least, max));
            }
        }
        if (least == 1 && max == 1) {
            return item;
        }
        return node(Kind.REPEAT, null, least, max, item);
    }

    /// What is left of a repetition after one time.
    ExpressionNode afterOne(ExpressionNode repeat) {
        int max = repeat.max == Regex.UNBOUNDED ? Regex.UNBOUNDED : repeat.max - 1;
        int min = Math.max(0, repeat.number - 1);
        if (max == 0) {
            return empty;
        }
        if (min == 1 && max == 1) {
            return repeat.head();
        }
        return repetition(repeat.head(), min, max);
    }

    private ExpressionNode repetition(ExpressionNode item, int min, int max) {
        ExpressionNode node = node(Kind.REPEAT, null, min, max, item);
        node.nullable = min == 0 || item.nullable;
        return node;
    }
}
