// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Regex;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Sets of code points as UTF-8, as a tree over the bytes with equal branches joined.
final class Utf8 {
    private static final Regex CONTINUATION = bytes(0x80, 0xbf);

    private Utf8() {}

    static Regex of(CodePoints set) {
        var options = new ArrayList<Regex>();
        var ascii = new BitSet();
        for (int c = 0; c < 0x80; c++) {
            if (set.contains(c)) {
                ascii.set(c);
            }
        }
        if (!ascii.isEmpty()) {
            options.add(new Regex.Bytes(ascii));
        }
        addLength(options, set.intersection(CodePoints.range(0x80, 0x7ff)), 0xc2, 0xdf, 0xc0, 1);
        addLength(options, set.intersection(CodePoints.range(0x800, 0xffff)), 0xe0, 0xef, 0xe0, 2);
        addLength(
                options,
                set.intersection(CodePoints.range(0x10000, Character.MAX_CODE_POINT)),
                0xf0,
                0xf4,
                0xf0,
                3);
        return Language.union(options);
    }

    private static void addLength(
            List<Regex> options, CodePoints set, int first, int last, int mark, int more) {
        var leads = new LinkedHashMap<Regex, BitSet>();
        for (int lead = first; lead <= last; lead++) {
            add(leads, lead, rest(set, lead - mark, more));
        }
        options.addAll(branches(leads));
    }

    /// What may follow the bytes that made up `prefix`, with `more` bytes to come.
    private static Regex rest(CodePoints set, int prefix, int more) {
        if (more == 0) {
            return set.contains(prefix) ? Language.EMPTY : Language.NOTHING;
        }
        int low = prefix << (6 * more);
        int high = low + (1 << (6 * more)) - 1;
        boolean scalars =
                high <= Character.MAX_CODE_POINT
                        && (high < Character.MIN_SURROGATE || low > Character.MAX_SURROGATE);
        if (set.holdsNone(low, high)) {
            return Language.NOTHING;
        }
        if (scalars && set.holdsAll(low, high)) {
            return Language.repeat(CONTINUATION, more, more);
        }
        var children = new LinkedHashMap<Regex, BitSet>();
        for (int i = 0; i < 64; i++) {
            int child = prefix << 6 | i;
            add(children, 0x80 | i, rest(set, child, more - 1));
        }
        return Language.union(branches(children));
    }

    private static void add(Map<Regex, BitSet> branches, int value, Regex rest) {
        if (!rest.equals(Language.NOTHING)) {
            branches.computeIfAbsent(rest, _ -> new BitSet()).set(value);
        }
    }

    private static List<Regex> branches(Map<Regex, BitSet> branches) {
        var result = new ArrayList<Regex>();
        branches.forEach(
                (rest, values) ->
                        result.add(Language.sequence(List.of(new Regex.Bytes(values), rest))));
        return result;
    }

    private static Regex bytes(int first, int last) {
        var set = new BitSet();
        set.set(first, last + 1);
        return new Regex.Bytes(set);
    }
}
