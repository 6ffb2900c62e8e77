// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import dev.lockstep.grammar.RegexNode.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Repetitions that count: where each text holds one number of items at most, texts of two numbers
/// of times at once are texts of the numbers that are in both.
final class CountedTexts {
    /// The states of an item whose repetitions are counted.
    private static final int LONGEST_ITEM = 200;

    private final RegexArena arena;
    private final Derivatives derivatives;

    CountedTexts(RegexArena arena, Derivatives derivatives) {
        this.arena = arena;
        this.derivatives = derivatives;
    }

    /// Joins repetitions of one item before one tail, if no text holds two different numbers of
    /// them.
    void joinRepeats(Set<RegexNode> items) {
        Map<List<RegexNode>, RegexNode> known = new HashMap<>();
        for (RegexNode item : List.copyOf(items)) {
            RegexNode head = item.kind == Kind.CONCATENATION ? item.head() : item;
            if (head.kind != Kind.REPEAT) {
                continue;
            }
            RegexNode tail = item == head ? arena.empty : item.tail();
            List<RegexNode> key = List.of(head.head(), tail);
            RegexNode other = known.putIfAbsent(key, item);
            if (other != null && isCountable(head.head(), tail)) {
                RegexNode before = other.kind == Kind.CONCATENATION ? other.head() : other;
                int min = Math.max(before.min, head.min);
                long max = Math.min(RegexArena.last(before.max), RegexArena.last(head.max));
                boolean endless = before.max == Regex.UNBOUNDED && head.max == Regex.UNBOUNDED;
                RegexNode both =
                        max < min
                                ? arena.nothing
                                : arena.concatenation(
                                        arena.repeat(
                                                head.head(),
                                                min,
                                                endless ? Regex.UNBOUNDED : (int) max),
                                        tail);
                items.remove(other);
                items.remove(item);
                items.add(both);
                if (both == arena.nothing) {
                    return;
                }
                known.put(key, both);
            }
        }
    }

    /// Whether each text has at most one number of items before this tail: no item begins another
    /// one, and no item begins like the tail.
    private boolean isCountable(RegexNode item, RegexNode tail) {
        if (item.opaque || tail.opaque || item.nullable || (tail.nullable && tail != arena.empty)) {
            return false;
        }
        for (int c = 0; c < arena.classes.count(); c++) {
            if (derivatives.derivative(item, c) != arena.nothing
                    && derivatives.derivative(tail, c) != arena.nothing) {
                return false;
            }
        }
        if (item.prefixFree == null) {
            item.prefixFree = findPrefixFree(item);
        }
        return item.prefixFree;
    }

    private boolean findPrefixFree(RegexNode item) {
        List<RegexNode> open = new ArrayList<>(List.of(item));
        Set<RegexNode> seen = new HashSet<>(open);
        for (int i = 0; i < open.size(); i++) {
            RegexNode node = open.get(i);
            if (open.size() > LONGEST_ITEM || (node.nullable && node != arena.empty)) {
                return false;
            }
            for (int c = 0; c < arena.classes.count(); c++) {
                RegexNode next = derivatives.derivative(node, c);
                if (seen.add(next)) {
                    open.add(next);
                }
            }
        }
        return true;
    }
}
