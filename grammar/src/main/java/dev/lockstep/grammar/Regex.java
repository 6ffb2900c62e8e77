// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;

/// A regular language of bytes. Immutable.
// RegexDifference alone has default methods: to load a record does not initialize this interface
@SuppressWarnings("ClassInitializationDeadlock")
public sealed interface Regex extends RegexDifference {
    /// The `max` of a repetition without a last time.
    int UNBOUNDED = -1;

    /// The empty text alone.
    Regex EMPTY = new Sequence(List.of());

    /// No text at all.
    Regex NOTHING = new Union(List.of());

    /// Any bytes, also none, also such as are not UTF-8.
    Regex ANY_BYTES = new Complement(NOTHING);

    /// One Unicode character in UTF-8; surrogates are none.
    Regex ANY_CHARACTER = characters(0, Character.MAX_CODE_POINT);

    /// Any text in UTF-8, also the empty one.
    Regex ANY_TEXT = new Repeat(ANY_CHARACTER, 0, UNBOUNDED);

    /// The UTF-8 bytes of a text.
    static Regex text(String text) {
        return bytes(text.getBytes(StandardCharsets.UTF_8));
    }

    /// These bytes in this order.
    static Regex bytes(byte... bytes) {
        List<Regex> items = new ArrayList<>(bytes.length);
        for (byte each : bytes) {
            items.add(Utf8Ranges.single(each & 0xFF));
        }
        return items.size() == 1 ? items.getFirst() : new Sequence(items);
    }

    /// One byte from `first` to `last`, both included.
    static Regex byteRange(int first, int last) {
        var set = new BitSet(256);
        set.set(first, last + 1);
        return new Bytes(set);
    }

    /// One character of a class, in UTF-8.
    ///
    /// @param ranges pairs of a first and a last code point, both included, in any order
    static Regex characters(int... ranges) {
        return Utf8Ranges.of(ranges);
    }

    /// One character that is not in a class, in UTF-8.
    ///
    /// @param ranges as for [#characters]
    static Regex charactersExcept(int... ranges) {
        return Utf8Ranges.except(ranges);
    }

    static Regex sequence(Regex... items) {
        return new Sequence(List.of(items));
    }

    static Regex union(Regex... options) {
        return new Union(List.of(options));
    }

    static Regex optional(Regex item) {
        return new Repeat(item, 0, 1);
    }

    /// The item any number of times, also never.
    static Regex star(Regex item) {
        return new Repeat(item, 0, UNBOUNDED);
    }

    /// The item once or more.
    static Regex plus(Regex item) {
        return new Repeat(item, 1, UNBOUNDED);
    }

    static Regex and(Regex... all) {
        return new Intersection(List.of(all));
    }

    /// Text in UTF-8 up to and with the first occurrence of `marker`.
    static Regex until(Regex marker) {
        return new Intersection(
                List.of(
                        sequence(ANY_TEXT, marker),
                        new Complement(sequence(ANY_BYTES, marker, byteRange(0, 255), ANY_BYTES))));
    }

    /// One byte of a set.
    ///
    /// @param set bytes 0 to 255; copied, and not to be changed by who reads it
    record Bytes(BitSet set) implements Regex {
        public Bytes {
            if (set.length() > 256) {
                throw new IllegalArgumentException("a byte above 255: " + (set.length() - 1));
            }
            set = (BitSet) set.clone();
        }
    }

    record Sequence(List<Regex> items) implements Regex {
        public Sequence {
            items = List.copyOf(items);
        }
    }

    /// The texts of any option.
    record Union(List<Regex> options) implements Regex {
        public Union {
            options = List.copyOf(options);
        }
    }

    /// The texts that are in all of these languages.
    record Intersection(List<Regex> all) implements Regex {
        public Intersection {
            all = List.copyOf(all);
        }
    }

    /// All texts that are not in the language.
    record Complement(Regex of) implements Regex {}

    /// The item `min` to `max` times.
    ///
    /// @param max at least `min`, or [#UNBOUNDED]
    record Repeat(Regex item, int min, int max) implements Regex {
        public Repeat {
            if (min < 0 || (max != UNBOUNDED && max < min)) {
                throw new IllegalArgumentException(
                        "a repetition of %d to %d times".formatted(min, max));
            }
        }
    }
}
