// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// One form of an array.
///
/// @param prefix what its first items are, if they are there
/// @param rest what the others are
/// @param max items, or [Regex#UNBOUNDED]
/// @param contained how many items must meet a formula
/// @param distinctAt the place of the schema that lets no two items be equal
record ArrayShape(
        List<Formula> prefix,
        Formula rest,
        int min,
        int max,
        List<Contained> contained,
        @Nullable String distinctAt) {
    static final ArrayShape ANY =
            new ArrayShape(List.of(), Formula.TRUE, 0, Regex.UNBOUNDED, List.of(), null);

    /// At least `min` and at most `max` of the items from index `from` on meet the formula.
    ///
    /// @param place of the schema that asks for it
    record Contained(Formula item, int from, int min, int max, String place) {}

    ArrayShape withItems(List<Formula> first, Formula others) {
        return new ArrayShape(first, others, min, max, contained, distinctAt);
    }

    ArrayShape withCount(int least, int most) {
        return new ArrayShape(prefix, rest, least, most, contained, distinctAt);
    }

    ArrayShape withContained(Contained what) {
        return new ArrayShape(prefix, rest, min, max, List.of(what), distinctAt);
    }

    ArrayShape withDistinct(String place) {
        return new ArrayShape(prefix, rest, min, max, contained, place);
    }

    Formula item(int index) {
        return index < prefix.size() ? prefix.get(index) : rest;
    }

    ArrayShape and(ArrayShape other) {
        var first = new ArrayList<Formula>();
        for (int i = 0; i < Math.max(prefix.size(), other.prefix.size()); i++) {
            first.add(Formula.and(item(i), other.item(i)));
        }
        var both = new LinkedHashSet<>(contained);
        both.addAll(other.contained);
        return new ArrayShape(
                first,
                Formula.and(rest, other.rest),
                Math.max(min, other.min),
                smaller(max, other.max),
                List.copyOf(both),
                distinctAt == null ? other.distinctAt : distinctAt);
    }

    static int smaller(int left, int right) {
        if (left == Regex.UNBOUNDED) {
            return right;
        }
        return right == Regex.UNBOUNDED ? left : Math.min(left, right);
    }

    /// Items that are possible: an item that nothing can be ends the array before it.
    int longest(Expansion expansion) {
        int longest = max;
        for (int i = 0; i < prefix.size(); i++) {
            if (expansion.isImpossible(prefix.get(i))) {
                return smaller(longest, i);
            }
        }
        return expansion.isImpossible(rest) ? smaller(longest, prefix.size()) : longest;
    }

    boolean isEmpty(Expansion expansion) {
        int longest = longest(expansion);
        if (longest == Regex.UNBOUNDED) {
            return false;
        }
        int needed = min;
        for (Contained one : contained) {
            needed = Math.max(needed, one.min == 0 ? 0 : one.from + one.min);
        }
        return needed > longest;
    }
}
