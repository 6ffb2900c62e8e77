// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.List;

/// What a rule of a grammar stands for.
public sealed interface Expression {
    /// A regular language of bytes.
    record Terminal(Regex regex) implements Expression {}

    /// One token of the vocabulary that is no text, such as a model's marker of a tool call.
    record Special(int id) implements Expression {}

    /// Each item after the one before; the empty text if there is none.
    record Sequence(List<Expression> items) implements Expression {
        public Sequence {
            items = List.copyOf(items);
        }
    }

    /// Any one of the options; nothing at all if there is none.
    record Choice(List<Expression> options) implements Expression {
        public Choice {
            options = List.copyOf(options);
        }
    }

    /// The item `min` to `max` times.
    ///
    /// @param max at least `min`, or [Regex#UNBOUNDED]
    record Repeat(Expression item, int min, int max) implements Expression {
        public Repeat {
            if (min < 0 || (max != Regex.UNBOUNDED && max < min)) {
                throw new IllegalArgumentException(
                        "a repetition of %d to %d times".formatted(min, max));
            }
        }
    }

    /// The rule of this name.
    record Reference(String rule) implements Expression {}
}
