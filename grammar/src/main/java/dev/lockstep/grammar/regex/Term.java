// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A regular language in a [Recognizer]: equal ones are the same object.
final class Term {
    enum Kind {
        BYTES,
        SEQUENCE,
        UNION,
        INTERSECTION,
        COMPLEMENT,
        REPEAT
    }

    final Kind kind;
    final Term[] parts;
    final @Nullable BitSet set;
    final int min;
    final int max;
    final boolean holdsEmpty;

    /// What may follow each byte, as far as it was asked.
    final @Nullable Term[] next = new @Nullable Term[256];

    private final int hash;

    Term(Kind kind, Term[] parts, @Nullable BitSet set, int min, int max) {
        this.kind = kind;
        this.parts = parts;
        this.set = set;
        this.min = min;
        this.max = max;
        this.holdsEmpty =
                switch (kind) {
                    case BYTES -> false;
                    case SEQUENCE, INTERSECTION ->
                            Arrays.stream(parts).allMatch(part -> part.holdsEmpty);
                    case UNION -> Arrays.stream(parts).anyMatch(part -> part.holdsEmpty);
                    case COMPLEMENT -> !parts[0].holdsEmpty;
                    case REPEAT -> min == 0 || parts[0].holdsEmpty;
                };
        int code = kind.hashCode() * 31 + (set == null ? 0 : set.hashCode()) + 7 * min + 13 * max;
        for (Term part : parts) {
            code = code * 31 + System.identityHashCode(part);
        }
        this.hash = code;
    }

    /// Parts are compared as objects: they are equal only if they are the same.
    @Override
    public boolean equals(Object other) {
        if (!(other instanceof Term that)
                || kind != that.kind
                || min != that.min
                || max != that.max
                || parts.length != that.parts.length
                || !Objects.equals(set, that.set)) {
            return false;
        }
        for (int i = 0; i < parts.length; i++) {
            if (parts[i] != that.parts[i]) {
                return false;
            }
        }
        return true;
    }

    @Override
    public int hashCode() {
        return hash;
    }
}
