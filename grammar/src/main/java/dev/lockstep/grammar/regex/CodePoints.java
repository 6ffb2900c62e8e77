// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import java.util.Arrays;
import java.util.BitSet;
import java.util.function.IntPredicate;

/// A set of Unicode scalar values. Immutable; surrogates are never in it.
public final class CodePoints {
    private static final int LAST = Character.MAX_CODE_POINT;

    public static final CodePoints NONE = new CodePoints(new int[0]);
    public static final CodePoints ALL = range(0, LAST);
    static final CodePoints DIGITS = range('0', '9');
    static final CodePoints WORD =
            range('a', 'z').union(range('A', 'Z')).union(DIGITS).union(of('_'));

    /// Pairs of first and last code point, ascending, with gaps between them.
    private final int[] ranges;

    private CodePoints(int[] ranges) {
        this.ranges = ranges;
    }

    public static CodePoints of(int codePoint) {
        return range(codePoint, codePoint);
    }

    public static CodePoints range(int first, int last) {
        if (first < Character.MIN_SURROGATE && last > Character.MAX_SURROGATE) {
            return new CodePoints(
                    new int[] {
                        first, Character.MIN_SURROGATE - 1, Character.MAX_SURROGATE + 1, last
                    });
        }
        int from =
                first >= Character.MIN_SURROGATE && first <= Character.MAX_SURROGATE
                        ? Character.MAX_SURROGATE + 1
                        : first;
        int to =
                last >= Character.MIN_SURROGATE && last <= Character.MAX_SURROGATE
                        ? Character.MIN_SURROGATE - 1
                        : last;
        return from > to ? NONE : new CodePoints(new int[] {from, to});
    }

    static CodePoints where(IntPredicate predicate) {
        var set = new BitSet(LAST + 1);
        for (int codePoint = 0; codePoint <= LAST; codePoint++) {
            if (predicate.test(codePoint)) {
                set.set(codePoint);
            }
        }
        return of(set);
    }

    private static CodePoints of(BitSet set) {
        set.clear(Character.MIN_SURROGATE, Character.MAX_SURROGATE + 1);
        int[] ranges = new int[16];
        int count = 0;
        for (int first = set.nextSetBit(0); first >= 0; ) {
            int end = set.nextClearBit(first);
            if (count == ranges.length) {
                ranges = Arrays.copyOf(ranges, 2 * count);
            }
            ranges[count++] = first;
            ranges[count++] = end - 1;
            first = set.nextSetBit(end);
        }
        return new CodePoints(Arrays.copyOf(ranges, count));
    }

    public CodePoints union(CodePoints other) {
        return merge(other, (a, b) -> a || b);
    }

    public CodePoints intersection(CodePoints other) {
        return merge(other, (a, b) -> a && b);
    }

    public CodePoints minus(CodePoints other) {
        return merge(other, (a, b) -> a && !b);
    }

    public CodePoints complement() {
        return ALL.minus(this);
    }

    private interface Rule {
        boolean in(boolean left, boolean right);
    }

    /// Walks over the borders of both sets; each changes whether one of them holds the next values.
    private CodePoints merge(CodePoints other, Rule rule) {
        int[] result = new int[ranges.length + other.ranges.length + 2];
        int count = 0;
        int left = 0;
        int right = 0;
        boolean inside = false;
        while (left < ranges.length || right < other.ranges.length) {
            int leftBorder = border(ranges, left);
            int rightBorder = border(other.ranges, right);
            int at = Math.min(leftBorder, rightBorder);
            if (leftBorder == at) {
                left++;
            }
            if (rightBorder == at) {
                right++;
            }
            boolean now = rule.in(left % 2 == 1, right % 2 == 1);
            if (now != inside) {
                if (now && count > 0 && result[count - 1] == at - 1) {
                    count--;
                } else {
                    result[count++] = now ? at : at - 1;
                }
                inside = now;
            }
        }
        return new CodePoints(Arrays.copyOf(result, count));
    }

    private static int border(int[] ranges, int index) {
        if (index >= ranges.length) {
            return Integer.MAX_VALUE;
        }
        return index % 2 == 0 ? ranges[index] : ranges[index] + 1;
    }

    public boolean contains(int codePoint) {
        int found = Arrays.binarySearch(ranges, codePoint);
        return found >= 0 || (-found - 1) % 2 == 1;
    }

    /// The only value of the set, or -1.
    int single() {
        return ranges.length == 2 && ranges[0] == ranges[1] ? ranges[0] : -1;
    }

    /// Pairs of first and last code point, ascending.
    int[] toRanges() {
        return ranges.clone();
    }

    public boolean isEmpty() {
        return ranges.length == 0;
    }

    /// Whether the set holds each scalar value of `[first, last]`.
    boolean holdsAll(int first, int last) {
        return range(first, last).minus(this).isEmpty();
    }

    boolean holdsNone(int first, int last) {
        int found = Arrays.binarySearch(ranges, first);
        if (found >= 0) {
            return false;
        }
        int next = -found - 1;
        return next % 2 == 0 && (next == ranges.length || ranges[next] > last);
    }

    /// The set with every other case of its letters.
    CodePoints ignoringCase() {
        var set = new BitSet(LAST + 1);
        for (int i = 0; i < ranges.length; i += 2) {
            set.set(ranges[i], ranges[i + 1] + 1);
        }
        var folded = new BitSet(LAST + 1);
        set.stream().forEach(codePoint -> folded.set(fold(codePoint)));
        for (int codePoint = 0; codePoint <= LAST; codePoint++) {
            if (folded.get(fold(codePoint))) {
                set.set(codePoint);
            }
        }
        return of(set);
    }

    private static int fold(int codePoint) {
        return Character.toLowerCase(Character.toUpperCase(codePoint));
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof CodePoints that && Arrays.equals(ranges, that.ranges);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(ranges);
    }

    @Override
    public String toString() {
        return Arrays.toString(ranges);
    }
}
