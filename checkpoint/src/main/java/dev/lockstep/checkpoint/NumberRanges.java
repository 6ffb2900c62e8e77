// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Collectors;

/// Ascending numbers of rows or columns, as ranges that do not touch.
public final class NumberRanges {
    /// No numbers.
    static final NumberRanges NONE = new NumberRanges(List.of());

    private final List<Range> ranges;
    private final int[] starts;
    private final int[] before;
    private final int size;

    /// The numbers `[from, to)`.
    record Range(int from, int to) {
        Range {
            if (from < 0 || to <= from) {
                throw new IllegalArgumentException("numbers [%d, %d)".formatted(from, to));
            }
        }

        int size() {
            return to - from;
        }
    }

    private NumberRanges(List<Range> ranges) {
        this.ranges = List.copyOf(ranges);
        this.starts = ranges.stream().mapToInt(Range::from).toArray();
        this.before = new int[starts.length];
        int count = 0;
        int end = -1;
        for (int i = 0; i < starts.length; i++) {
            if (starts[i] <= end) {
                throw new IllegalArgumentException(
                        "number %d follows %d".formatted(starts[i], end));
            }
            before[i] = count;
            count = Math.addExact(count, ranges.get(i).size());
            end = ranges.get(i).to();
        }
        this.size = count;
    }

    static NumberRanges of(BitSet numbers) {
        List<Range> ranges = new ArrayList<>();
        int from = numbers.nextSetBit(0);
        while (from >= 0) {
            int to = numbers.nextClearBit(from);
            ranges.add(new Range(from, to));
            from = numbers.nextSetBit(to);
        }
        return new NumberRanges(ranges);
    }

    /// Reads what [#toString] gives.
    ///
    /// @throws IllegalArgumentException if the text is none
    static NumberRanges parse(String text) {
        if (text.isEmpty()) {
            return NONE;
        }
        List<Range> ranges = new ArrayList<>();
        for (String each : text.split(",", -1)) {
            int dash = each.indexOf('-');
            int from = Integer.parseInt(dash < 0 ? each : each.substring(0, dash));
            int last = dash < 0 ? from : Integer.parseInt(each.substring(dash + 1));
            ranges.add(new Range(from, Math.addExact(last, 1)));
        }
        return new NumberRanges(ranges);
    }

    List<Range> ranges() {
        return ranges;
    }

    /// Returns how many numbers there are.
    public int size() {
        return size;
    }

    /// Returns how many of the numbers are lower than one of them; -1 for another number.
    int index(int number) {
        int at = Arrays.binarySearch(starts, number);
        int range = at >= 0 ? at : -at - 2;
        return range < 0 || number >= ranges.get(range).to()
                ? -1
                : before[range] + number - starts[range];
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof NumberRanges numbers && ranges.equals(numbers.ranges);
    }

    @Override
    public int hashCode() {
        return ranges.hashCode();
    }

    /// Returns the ranges as text, such as `0-63,128`.
    @Override
    public String toString() {
        return ranges.stream()
                .map(
                        each ->
                                each.size() == 1
                                        ? String.valueOf(each.from())
                                        : each.from() + "-" + (each.to() - 1))
                .collect(Collectors.joining(","));
    }
}
