// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// Classes of characters as regular languages of their UTF-8 bytes.
final class Utf8Ranges {
    private static final int[] LAST_OF_LENGTH = {0x7F, 0x7FF, 0xFFFF, Character.MAX_CODE_POINT};

    private static final Regex[] SINGLES = new Regex[256];

    static {
        for (int value = 0; value < 256; value++) {
            SINGLES[value] = Regex.byteRange(value, value);
        }
    }

    private Utf8Ranges() {}

    /// One byte.
    static Regex single(int value) {
        return SINGLES[value];
    }

    static Regex of(int... ranges) {
        List<Regex> options = new ArrayList<>();
        var oneByte = new BitSet(256);
        // tails by their lead bytes, so that leads with equal tails share one option
        Map<List<Regex>, BitSet> leadsOfTails = new LinkedHashMap<>();
        for (int[] range : merged(ranges)) {
            int first = range[0];
            for (int length = 0; length < LAST_OF_LENGTH.length; length++) {
                int last = Math.min(range[1], LAST_OF_LENGTH[length]);
                if (first <= last) {
                    if (length == 0) {
                        oneByte.set(first, last + 1);
                    } else {
                        addLong(first, last, length, leadsOfTails);
                    }
                    first = last + 1;
                }
            }
        }
        if (!oneByte.isEmpty()) {
            options.add(new Regex.Bytes(oneByte));
        }
        for (Map.Entry<List<Regex>, BitSet> each : leadsOfTails.entrySet()) {
            List<Regex> items = new ArrayList<>();
            items.add(new Regex.Bytes(each.getValue()));
            items.addAll(each.getKey());
            options.add(new Regex.Sequence(items));
        }
        return options.size() == 1 ? options.getFirst() : new Regex.Union(options);
    }

    static Regex except(int... ranges) {
        List<Integer> rest = new ArrayList<>();
        int next = 0;
        for (int[] range : merged(ranges)) {
            if (range[0] > next) {
                rest.add(next);
                rest.add(range[0] - 1);
            }
            next = range[1] + 1;
        }
        if (next <= Character.MAX_CODE_POINT) {
            rest.add(next);
            rest.add(Character.MAX_CODE_POINT);
        }
        return of(rest.stream().mapToInt(Integer::intValue).toArray());
    }

    /// Adds characters whose UTF-8 has `following` bytes after the first one.
    private static void addLong(
            int first, int last, int following, Map<List<Regex>, BitSet> leadsOfTails) {
        int shift = 6 * following;
        int low = (1 << shift) - 1;
        int lead = following == 1 ? 0xC0 : following == 2 ? 0xE0 : 0xF0;
        int from = first;
        while (from <= last) {
            int end = from | low;
            if ((from & low) == 0 && end <= last) {
                // whole leads with free tails
                int leads = (last + 1 - from) >> shift;
                BitSet set = leadsOfTails.computeIfAbsent(free(following), _ -> new BitSet(256));
                set.set(lead | (from >> shift), (lead | (from >> shift)) + leads);
                from += leads << shift;
            } else {
                int to = Math.min(end, last);
                BitSet set =
                        leadsOfTails.computeIfAbsent(
                                List.of(tail(from & low, to & low, following)),
                                _ -> new BitSet(256));
                set.set(lead | (from >> shift));
                from = to + 1;
            }
        }
    }

    /// The last `count` bytes of characters whose low bits are `first` to `last`.
    private static Regex tail(int first, int last, int count) {
        if (count == 1) {
            return Regex.byteRange(0x80 | first, 0x80 | last);
        }
        int shift = 6 * (count - 1);
        int low = (1 << shift) - 1;
        List<Regex> options = new ArrayList<>();
        int from = first;
        while (from <= last) {
            int end = from | low;
            if ((from & low) == 0 && end <= last) {
                int leads = (last + 1 - from) >> shift;
                List<Regex> items = new ArrayList<>();
                items.add(
                        Regex.byteRange(
                                0x80 | (from >> shift), (0x80 | (from >> shift)) + leads - 1));
                items.addAll(free(count - 1));
                options.add(new Regex.Sequence(items));
                from += leads << shift;
            } else {
                int to = Math.min(end, last);
                int lead = 0x80 | (from >> shift);
                options.add(
                        Regex.sequence(
                                Regex.byteRange(lead, lead),
                                tail(from & low, to & low, count - 1)));
                from = to + 1;
            }
        }
        return options.size() == 1 ? options.getFirst() : new Regex.Union(options);
    }

    private static List<Regex> free(int count) {
        return Collections.nCopies(count, Regex.byteRange(0x80, 0xBF));
    }

    /// Sorted, apart from each other, and without surrogates.
    private static List<int[]> merged(int... ranges) {
        if (ranges.length % 2 != 0) {
            throw new IllegalArgumentException("a range of characters without its last one");
        }
        var byFirst = new TreeMap<Integer, Integer>();
        for (int i = 0; i < ranges.length; i += 2) {
            int first = ranges[i];
            int last = ranges[i + 1];
            if (first < 0 || last < first || last > Character.MAX_CODE_POINT) {
                throw new IllegalArgumentException(
                        "a range of characters from %d to %d".formatted(first, last));
            }
            if (first < Character.MIN_SURROGATE) {
                byFirst.merge(first, Math.min(last, Character.MIN_SURROGATE - 1), Math::max);
            }
            if (last > Character.MAX_SURROGATE) {
                byFirst.merge(Math.max(first, Character.MAX_SURROGATE + 1), last, Math::max);
            }
        }
        List<int[]> merged = new ArrayList<>();
        for (Map.Entry<Integer, Integer> each : byFirst.entrySet()) {
            int[] before = merged.isEmpty() ? null : merged.getLast();
            if (before != null && each.getKey() <= before[1] + 1) {
                before[1] = Math.max(before[1], each.getValue());
            } else {
                merged.add(new int[] {each.getKey(), each.getValue()});
            }
        }
        return merged;
    }
}
