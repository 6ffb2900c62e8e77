// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.List;

/// What a rule of a grammar stands for.
public sealed interface Expression {
    /// The empty text.
    Expression EMPTY = new Sequence(List.of());

    /// The UTF-8 bytes of a text.
    static Expression text(String text) {
        return new Terminal(Regex.text(text));
    }

    static Expression terminal(Regex regex) {
        return new Terminal(regex);
    }

    static Expression sequence(Expression... items) {
        return new Sequence(List.of(items));
    }

    static Expression choice(Expression... options) {
        return new Choice(List.of(options));
    }

    static Expression optional(Expression item) {
        return new Repeat(item, 0, 1);
    }

    /// The item any number of times, also never.
    static Expression star(Expression item) {
        return new Repeat(item, 0, Regex.UNBOUNDED);
    }

    /// The item once or more.
    static Expression plus(Expression item) {
        return new Repeat(item, 1, Regex.UNBOUNDED);
    }

    static Expression reference(String rule) {
        return new Reference(rule);
    }

    /// Text in UTF-8 up to and with a special token, which such text cannot contain.
    static Expression until(int special) {
        return sequence(terminal(Regex.ANY_TEXT), new Special(special));
    }

    /// A regular language of bytes.
    record Terminal(Regex regex) implements Expression {}

    /// One token of the vocabulary that is no text, such as a model's marker of a tool call.
    record Special(int id) implements Expression {
        public Special {
            if (id < 0) {
                throw new IllegalArgumentException("a special token with the id " + id);
            }
        }
    }

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
