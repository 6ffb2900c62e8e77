// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import dev.lockstep.grammar.RegexNode.Kind;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// What may follow a byte in regular languages: the steps of the automaton whose states they are.
final class Derivatives {
    private final RegexArena arena;

    Derivatives(RegexArena arena) {
        this.arena = arena;
    }

    /// The derivative: what may follow a byte of this class; it may be empty unseen.
    RegexNode derivative(RegexNode node, int byteClass) {
        RegexNode[] row = node.next;
        if (row == null) {
            arena.budget.allocate(16 + 4L * arena.classes.count());
            row = new RegexNode[arena.classes.count()];
            node.next = row;
        }
        RegexNode known = row[byteClass];
        if (known != null) {
            return known;
        }
        RegexNode result = derive(node, byteClass);
        row[byteClass] = result;
        return result;
    }

    private RegexNode derive(RegexNode node, int byteClass) {
        arena.budget.work(1);
        return switch (node.kind) {
            case NOTHING, EMPTY -> arena.nothing;
            case BYTES ->
                    Objects.requireNonNull(node.set).get(arena.classes.representative(byteClass))
                            ? arena.empty
                            : arena.nothing;
            case CONCATENATION -> deriveConcatenation(node, byteClass);
            case UNION -> arena.union(deriveAll(node, byteClass));
            case INTERSECTION -> deriveIntersection(node, byteClass);
            case COMPLEMENT -> arena.complement(derive(node.head(), byteClass));
            case REPEAT -> {
                RegexNode first = derive(node.head(), byteClass);
                if (first == arena.nothing) {
                    yield arena.nothing;
                }
                int max = node.max == Regex.UNBOUNDED ? Regex.UNBOUNDED : node.max - 1;
                yield arena.concatenation(
                        first, arena.repeat(node.head(), Math.max(0, node.min - 1), max));
            }
        };
    }

    private RegexNode deriveConcatenation(RegexNode node, int byteClass) {
        RegexNode rest = node;
        List<RegexNode> options = null;
        while (true) {
            boolean last = rest.kind != Kind.CONCATENATION;
            RegexNode head = last ? rest : rest.head();
            RegexNode first = derive(head, byteClass);
            RegexNode option =
                    last || first == arena.nothing
                            ? first
                            : arena.concatenation(first, rest.tail());
            boolean more = !last && head.nullable;
            if (options == null && !more) {
                return option;
            }
            if (options == null) {
                options = new ArrayList<>();
            }
            options.add(option);
            if (!more) {
                return arena.union(options);
            }
            rest = rest.tail();
        }
    }

    private List<RegexNode> deriveAll(RegexNode node, int byteClass) {
        List<RegexNode> results = new ArrayList<>();
        for (RegexNode item : node.items) {
            RegexNode result = derive(item, byteClass);
            if (result != arena.nothing) {
                results.add(result);
            }
        }
        return results;
    }

    private RegexNode deriveIntersection(RegexNode node, int byteClass) {
        List<RegexNode> results = new ArrayList<>(node.items.length);
        for (RegexNode item : node.items) {
            RegexNode result = derive(item, byteClass);
            if (result == arena.nothing) {
                return arena.nothing;
            }
            results.add(result);
        }
        return arena.intersection(results);
    }

    /// What may follow a byte of this class; [RegexArena#nothing] if no text goes on so.
    RegexNode step(RegexNode node, int byteClass) {
        RegexNode[] row = node.next;
        RegexNode next = row == null ? null : row[byteClass];
        if (next == null) {
            next = derivative(node, byteClass);
        }
        return next.life == RegexNode.Life.ALIVE || alive(next) ? next : arena.nothing;
    }

    /// Whether the language has any text: searched breadth first among its derivatives.
    boolean alive(RegexNode start) {
        if (start.life != RegexNode.Life.UNKNOWN) {
            return start.life == RegexNode.Life.ALIVE;
        }
        Map<RegexNode, RegexNode> parents = new LinkedHashMap<>();
        List<RegexNode> queue = new ArrayList<>();
        parents.put(start, start);
        queue.add(start);
        for (int i = 0; i < queue.size(); i++) {
            RegexNode node = queue.get(i);
            for (int c = 0; c < arena.classes.count(); c++) {
                RegexNode next = derivative(node, c);
                arena.budget.work(1);
                if (next.life == RegexNode.Life.ALIVE) {
                    RegexNode each = node;
                    while (each.life != RegexNode.Life.ALIVE) {
                        each.life = RegexNode.Life.ALIVE;
                        each = Objects.requireNonNull(parents.get(each));
                    }
                    queue.reversed().forEach(Derivatives::markAlive);
                    return true;
                }
                if (next.life == RegexNode.Life.UNKNOWN
                        && parents.putIfAbsent(next, node) == null) {
                    queue.add(next);
                }
            }
        }
        for (RegexNode each : queue) {
            each.life = RegexNode.Life.DEAD;
        }
        return false;
    }

    /// Says so of a node of which a known derivative has a text.
    private static void markAlive(RegexNode node) {
        if (node.next != null && node.life == RegexNode.Life.UNKNOWN) {
            for (RegexNode next : node.next) {
                if (next != null && next.life == RegexNode.Life.ALIVE) {
                    node.life = RegexNode.Life.ALIVE;
                    return;
                }
            }
        }
    }
}
