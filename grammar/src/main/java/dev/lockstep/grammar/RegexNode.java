// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.BitSet;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A regular language in the normal form of its [RegexArena], and a state of the automaton that its
/// derivatives are. Equal nodes of an arena are one object.
final class RegexNode {
    enum Kind {
        NOTHING(0),
        EMPTY(1),
        BYTES(2),
        CONCATENATION(3),
        UNION(4),
        INTERSECTION(5),
        COMPLEMENT(6),
        REPEAT(7);

        /// In encoded grammars.
        final int code;

        Kind(int code) {
            this.code = code;
        }
    }

    enum Life {
        UNKNOWN,
        ALIVE,
        DEAD
    }

    static final RegexNode[] NONE = {};

    final int id;
    final Kind kind;
    final boolean nullable;

    /// Whether an intersection or a complement is in it, so that it may be empty unseen.
    final boolean opaque;

    final int depth;

    /// Head and tail of a concatenation, options of a union, items of the others.
    final RegexNode[] items;

    final @Nullable BitSet set;
    final int min;
    final int max;

    /// Whether it has any text.
    Life life;

    /// Derivatives by class of byte, as far as they were needed.
    RegexNode @Nullable [] next;

    /// The number of parts of a language without unbounded parts; above [RegexArena#LARGE] for
    /// others; 0 before it is known.
    private int size;

    /// What follows a character of each slice, as far as [SliceSteps] knows.
    @Nullable Map<TokenSlice.Kind, RegexNode> afterSlices;

    /// Whether none of its texts begins another one; null before it is known.
    @Nullable Boolean prefixFree;

    @Nullable Stay stay;

    RegexNode(
            int id,
            Kind kind,
            boolean nullable,
            boolean opaque,
            int depth,
            RegexNode[] items,
            @Nullable BitSet set,
            int min,
            int max) {
        this.id = id;
        this.kind = kind;
        this.nullable = nullable;
        this.opaque = opaque;
        this.depth = depth;
        this.items = items;
        this.set = set;
        this.min = min;
        this.max = max;
        this.life =
                kind == Kind.NOTHING ? Life.DEAD : nullable || !opaque ? Life.ALIVE : Life.UNKNOWN;
    }

    RegexNode head() {
        return items[0];
    }

    RegexNode tail() {
        return items[1];
    }

    /// The number of parts of a language of bounded length; above [RegexArena#LARGE] for others.
    int size() {
        if (size == 0) {
            size = Math.min(RegexArena.LARGE + 1, measure());
        }
        return size;
    }

    private int measure() {
        if (opaque) {
            return RegexArena.LARGE + 1;
        }
        int sum = 1;
        RegexNode rest = this;
        while (rest.kind == Kind.CONCATENATION && sum <= RegexArena.LARGE) {
            sum += rest.head().size() + 1;
            rest = rest.tail();
        }
        if (rest != this) {
            return sum > RegexArena.LARGE ? sum : sum + rest.size();
        }
        for (RegexNode item : items) {
            if (sum > RegexArena.LARGE) {
                return sum;
            }
            sum += item.size();
        }
        if (kind == Kind.REPEAT) {
            return max == Regex.UNBOUNDED || max > RegexArena.LARGE
                    ? RegexArena.LARGE + 1
                    : sum * max;
        }
        return sum;
    }

    /// As [Object#hashCode], but the same in every run.
    @Override
    public int hashCode() {
        return id;
    }
}
