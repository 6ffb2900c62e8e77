// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Regex;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/// The inside of a JSON string: each code point as writers of JSON spell it.
///
/// Printable ASCII is itself, but for the quote and the backslash, which are escaped, and the
/// slash, which may be. Control characters have their short escape or an escape of four digits.
/// Everything else is UTF-8 or such an escape, in two halves above the first plane. A letter as an
/// escape and lone surrogates are left out: no text needs them.
public final class JsonText implements Alphabet {
    public static final JsonText INSTANCE = new JsonText();

    private static final String UNIT = "\\" + "u";
    private static final String SHORT = "\"\\/\b\f\n\r\t";
    private static final String SHORT_NAMES = "\"\\/bfnrt";
    private static final CodePoints RAW =
            CodePoints.range(0x20, Character.MAX_CODE_POINT)
                    .minus(CodePoints.of('"'))
                    .minus(CodePoints.of('\\'));
    private static final CodePoints HEX =
            CodePoints.range(0, 0x1f).union(CodePoints.range(0x7f, 0xffff));
    private static final CodePoints PAIRED = CodePoints.range(0x10000, Character.MAX_CODE_POINT);

    private static final int MAX_KEPT = 1_024;

    /// The first sets that were asked for: single characters and common classes.
    private static final Map<CodePoints, Regex> KEPT = new ConcurrentHashMap<>();

    private JsonText() {}

    /// Any code point.
    public static Regex any() {
        return INSTANCE.of(CodePoints.ALL);
    }

    @Override
    public Regex of(CodePoints set) {
        Regex kept = KEPT.get(set);
        if (kept == null) {
            kept = spell(set);
            if (KEPT.size() < MAX_KEPT) {
                KEPT.put(set, kept);
            }
        }
        return kept;
    }

    private static Regex spell(CodePoints set) {
        var options = new ArrayList<Regex>();
        options.add(UTF_8.of(set.intersection(RAW)));
        var escaped = new ArrayList<Regex>();
        for (int i = 0; i < SHORT.length(); i++) {
            if (set.contains(SHORT.charAt(i))) {
                escaped.add(Language.text(SHORT_NAMES.substring(i, i + 1)));
            }
        }
        Regex hex = four(set.intersection(HEX), 0, 4);
        Regex paired = pairs(set.intersection(PAIRED));
        Regex units = Language.union(List.of(hex, paired));
        if (!units.equals(Language.NOTHING)) {
            escaped.add(Language.sequence(List.of(Language.text("u"), units)));
        }
        Regex escapes = Language.union(escaped);
        options.add(Language.sequence(List.of(Language.text("\\"), escapes)));
        return Language.union(options);
    }

    /// Four hexadecimal digits of which `4 - more` are read and make up `prefix`.
    private static Regex four(CodePoints set, int prefix, int more) {
        if (more == 0) {
            return set.contains(prefix) ? Language.EMPTY : Language.NOTHING;
        }
        int low = prefix << (4 * more);
        int high = low + (1 << (4 * more)) - 1;
        if (set.holdsNone(low, high)) {
            return Language.NOTHING;
        }
        boolean scalars = high < Character.MIN_SURROGATE || low > Character.MAX_SURROGATE;
        if (scalars && set.holdsAll(low, high)) {
            return Language.repeat(digits((1 << 16) - 1), more, more);
        }
        var children = new LinkedHashMap<Regex, Integer>();
        for (int digit = 0; digit < 16; digit++) {
            Regex rest = four(set, prefix << 4 | digit, more - 1);
            if (!rest.equals(Language.NOTHING)) {
                children.merge(rest, 1 << digit, (a, b) -> a | b);
            }
        }
        return branches(children);
    }

    private static Regex branches(Map<Regex, Integer> children) {
        var options = new ArrayList<Regex>();
        children.forEach(
                (rest, digits) -> options.add(Language.sequence(List.of(digits(digits), rest))));
        return Language.union(options);
    }

    /// One hexadecimal digit of those whose bits are set, in either case.
    private static Regex digits(int set) {
        var bytes = new BitSet();
        for (int digit = 0; digit < 16; digit++) {
            if ((set >> digit & 1) != 0) {
                bytes.set(Character.forDigit(digit, 16));
                bytes.set(Character.toUpperCase(Character.forDigit(digit, 16)));
            }
        }
        return new Regex.Bytes(bytes);
    }

    /// Both halves; first halves that allow the same second ones are joined.
    private static Regex pairs(CodePoints set) {
        var firsts = new LinkedHashMap<Regex, BitSet>();
        for (int first = 0; first < 1024; first++) {
            int low = 0x10000 + (first << 10);
            if (set.holdsNone(low, low + 1023)) {
                continue;
            }
            Regex seconds;
            if (set.holdsAll(low, low + 1023)) {
                seconds = half(0xdc00, null);
            } else {
                var units = new BitSet();
                for (int i = 0; i < 1024; i++) {
                    if (set.contains(low + i)) {
                        units.set(i);
                    }
                }
                seconds = half(0xdc00, units);
            }
            firsts.computeIfAbsent(seconds, _ -> new BitSet()).set(first);
        }
        var options = new ArrayList<Regex>();
        firsts.forEach(
                (seconds, units) ->
                        options.add(
                                Language.sequence(
                                        List.of(
                                                half(
                                                        0xd800,
                                                        units.cardinality() == 1024 ? null : units),
                                                Language.text(UNIT),
                                                seconds))));
        return Language.union(options);
    }

    /// The code units `base + i` for each `i` of 1,024 in the set, all of them if it is `null`.
    private static Regex half(int base, @Nullable BitSet units) {
        Regex start = Language.sequence(List.of(digits(1 << 0xd)));
        var children = new LinkedHashMap<Regex, Integer>();
        for (int second = 0; second < 4; second++) {
            int at = second << 8;
            Regex rest =
                    units == null
                            ? Language.repeat(digits((1 << 16) - 1), 2, 2)
                            : lastTwo(units, at);
            if (!rest.equals(Language.NOTHING)) {
                children.merge(rest, 1 << ((base >> 8 & 0xf) + second), (a, b) -> a | b);
            }
        }
        return Language.sequence(List.of(start, branches(children)));
    }

    private static Regex lastTwo(BitSet units, int at) {
        var children = new LinkedHashMap<Regex, Integer>();
        for (int third = 0; third < 16; third++) {
            int last = 0;
            for (int digit = 0; digit < 16; digit++) {
                if (units.get(at + (third << 4) + digit)) {
                    last |= 1 << digit;
                }
            }
            if (last != 0) {
                children.merge(digits(last), 1 << third, (a, b) -> a | b);
            }
        }
        return branches(children);
    }
}
