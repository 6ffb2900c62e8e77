// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Regex;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/// Regular languages put together, without parts that change nothing.
public final class Language {
    /// The empty text only.
    public static final Regex EMPTY = new Regex.Sequence(List.of());

    /// No text at all.
    public static final Regex NOTHING = new Regex.Union(List.of());

    /// All texts.
    public static final Regex EVERYTHING = new Regex.Complement(NOTHING);

    private static final int MAX_COMPARED = 8;

    private Language() {}

    public static Regex text(String text) {
        var items = new ArrayList<Regex>();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            var set = new BitSet();
            set.set(b & 0xff);
            items.add(new Regex.Bytes(set));
        }
        return sequence(items);
    }

    public static Regex sequence(Regex... items) {
        return sequence(List.of(items));
    }

    public static Regex sequence(List<Regex> items) {
        var flat = new ArrayList<Regex>();
        for (Regex item : items) {
            if (item instanceof Regex.Sequence(List<Regex> inner)) {
                flat.addAll(inner);
            } else if (item.equals(NOTHING)) {
                return NOTHING;
            } else {
                flat.add(item);
            }
        }
        return flat.size() == 1 ? flat.getFirst() : new Regex.Sequence(flat);
    }

    public static Regex union(Regex... options) {
        return union(List.of(options));
    }

    public static Regex union(List<Regex> options) {
        var flat = new ArrayList<Regex>();
        for (Regex option : options) {
            if (option instanceof Regex.Union(List<Regex> inner)) {
                flat.addAll(inner);
            } else if (option.equals(EVERYTHING)) {
                return EVERYTHING;
            } else {
                add(flat, option);
            }
        }
        return flat.size() == 1 ? flat.getFirst() : new Regex.Union(flat);
    }

    public static Regex intersection(Regex... all) {
        var flat = new ArrayList<Regex>();
        for (Regex one : all) {
            if (one instanceof Regex.Intersection(List<Regex> inner)) {
                flat.addAll(inner);
            } else if (one.equals(NOTHING)) {
                return NOTHING;
            } else if (!one.equals(EVERYTHING)) {
                add(flat, one);
            }
        }
        if (flat.isEmpty()) {
            return EVERYTHING;
        }
        return flat.size() == 1 ? flat.getFirst() : new Regex.Intersection(flat);
    }

    /// Looks for an equal part among few only: a hash of large parts costs more than it saves.
    private static void add(List<Regex> parts, Regex part) {
        if (parts.size() > MAX_COMPARED || !parts.contains(part)) {
            parts.add(part);
        }
    }

    public static Regex complement(Regex of) {
        return of instanceof Regex.Complement(Regex inner) ? inner : new Regex.Complement(of);
    }

    public static Regex repeat(Regex item, int min, int max) {
        if (max == 0 || item.equals(EMPTY)) {
            return EMPTY;
        }
        if (item.equals(NOTHING)) {
            return min == 0 ? EMPTY : NOTHING;
        }
        return min == 1 && max == 1 ? item : new Regex.Repeat(item, min, max);
    }

    public static Regex optional(Regex item) {
        return repeat(item, 0, 1);
    }

    /// Whether the empty text is in the language.
    public static boolean holdsEmpty(Regex regex) {
        return switch (regex) {
            case Regex.Bytes _ -> false;
            case Regex.Sequence(List<Regex> items) -> items.stream().allMatch(Language::holdsEmpty);
            case Regex.Union(List<Regex> options) ->
                    options.stream().anyMatch(Language::holdsEmpty);
            case Regex.Intersection(List<Regex> all) -> all.stream().allMatch(Language::holdsEmpty);
            case Regex.Complement(Regex of) -> !holdsEmpty(of);
            case Regex.Repeat(Regex item, int min, int _) -> min == 0 || holdsEmpty(item);
        };
    }
}
