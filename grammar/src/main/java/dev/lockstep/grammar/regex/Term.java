// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A regular language in a [Recognizer], the only object for its [Form].
final class Term {
    enum Kind {
        BYTES,
        SEQUENCE,
        UNION,
        INTERSECTION,
        COMPLEMENT,
        REPEAT
    }

    /// @param set of bytes, empty for other kinds
    record Form(Kind kind, List<Term> parts, BitSet set, int min, int max) {}

    final Form form;
    final boolean holdsEmpty;

    /// What may follow each byte, as far as it was asked.
    final @Nullable Term[] next = new @Nullable Term[256];

    Term(Form form) {
        this.form = form;
        this.holdsEmpty =
                switch (form.kind) {
                    case BYTES -> false;
                    case SEQUENCE, INTERSECTION ->
                            form.parts.stream().allMatch(part -> part.holdsEmpty);
                    case UNION -> form.parts.stream().anyMatch(part -> part.holdsEmpty);
                    case COMPLEMENT -> !form.parts.getFirst().holdsEmpty;
                    case REPEAT -> form.min == 0 || form.parts.getFirst().holdsEmpty;
                };
    }

    boolean is(Kind kind) {
        return form.kind == kind;
    }
}
