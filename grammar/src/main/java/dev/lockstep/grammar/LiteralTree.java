// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Many literal texts as one language that shares their beginnings, and their ends where all that
/// can follow is alike.
final class LiteralTree {
    private final RegexArena arena;
    private final byte[][] texts;

    LiteralTree(RegexArena arena, List<byte[]> literals) {
        this.arena = arena;
        this.texts = literals.toArray(new byte[0][]);
        Arrays.sort(texts, Arrays::compareUnsigned);
    }

    RegexNode language() {
        return below(0, texts.length, 0, 0);
    }

    /// What follows the first `length` bytes of texts that have these in common.
    private RegexNode below(int from, int to, int length, int level) {
        arena.budget.checkDepth(level);
        arena.budget.work(to - from);
        int first = from;
        while (first < to && texts[first].length == length) {
            first++;
        }
        Map<RegexNode, BitSet> leads = new LinkedHashMap<>();
        int next;
        for (int i = first; i < to; i = next) {
            int lead = texts[i][length] & 0xFF;
            next = i + 1;
            while (next < to && (texts[next][length] & 0xFF) == lead) {
                next++;
            }
            int mismatch = Arrays.mismatch(texts[i], texts[next - 1]);
            int common = mismatch < 0 ? texts[i].length : mismatch;
            RegexNode tail = mismatch < 0 ? arena.empty : below(i, next, common, level + 1);
            for (int k = common - 1; k > length; k--) {
                tail = arena.concatenation(single(texts[i][k] & 0xFF), tail);
            }
            leads.computeIfAbsent(tail, _ -> new BitSet(256)).set(lead);
        }
        List<RegexNode> options = new ArrayList<>();
        if (first > from) {
            options.add(arena.empty);
        }
        leads.forEach((tail, set) -> options.add(arena.concatenation(arena.bytes(set), tail)));
        return arena.union(options);
    }

    private RegexNode single(int value) {
        var set = new BitSet(256);
        set.set(value);
        return arena.bytes(set);
    }

    /// The bytes of a language of one text that is written as single bytes in order; null for any
    /// other.
    static byte @Nullable [] literal(Regex regex) {
        if (regex instanceof Regex.Bytes) {
            int value = single(regex);
            return value < 0 ? null : new byte[] {(byte) value};
        }
        if (!(regex instanceof Regex.Sequence sequence)) {
            return null;
        }
        byte[] bytes = new byte[sequence.items().size()];
        for (int i = 0; i < bytes.length; i++) {
            int value = single(sequence.items().get(i));
            if (value < 0) {
                return null;
            }
            bytes[i] = (byte) value;
        }
        return bytes;
    }

    private static int single(Regex regex) {
        if (!(regex instanceof Regex.Bytes bytes)) {
            return -1;
        }
        int value = bytes.set().nextSetBit(0);
        return value >= 0 && bytes.set().length() == value + 1 ? value : -1;
    }
}
