// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import java.util.List;

/// A parsed regular expression over code points.
sealed interface Pattern {
    record Characters(CodePoints set) implements Pattern {}

    record Sequence(List<Pattern> items) implements Pattern {}

    record Alternatives(List<Pattern> options) implements Pattern {}

    record Repeat(Pattern item, int min, int max) implements Pattern {}

    /// What follows does, or does not, begin with the pattern.
    record Ahead(Pattern pattern, boolean negated) implements Pattern {}

    enum Place implements Pattern {
        START,
        END,
        WORD_BORDER,
        NO_WORD_BORDER
    }

    /// Whether a match depends on what stands around it.
    default boolean looksAround() {
        return switch (this) {
            case Characters _ -> false;
            case Sequence(List<Pattern> items) -> items.stream().anyMatch(Pattern::looksAround);
            case Alternatives(List<Pattern> options) ->
                    options.stream().anyMatch(Pattern::looksAround);
            case Repeat(Pattern item, int _, int _) -> item.looksAround();
            case Ahead _ -> true;
            case Place _ -> true;
        };
    }
}
