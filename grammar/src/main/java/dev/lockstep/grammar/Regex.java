// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.BitSet;
import java.util.List;

/// A regular language of bytes. Immutable.
public sealed interface Regex {
    /// The `max` of a repetition without a last time.
    int UNBOUNDED = -1;

    /// One byte of a set.
    record Bytes(BitSet set) implements Regex {}

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
