// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.List;
import java.util.Optional;

/// An expression that yields a value; evaluated by [Evaluator].
sealed interface Expression {
    int line();

    record Literal(Object value, int line) implements Expression {}

    record Name(String name, int line) implements Expression {}

    /// `object.name`
    record Attribute(Expression object, String name, int line) implements Expression {}

    /// `object[key]`
    record Item(Expression object, Expression key, int line) implements Expression {}

    /// `object[start:stop:step]`
    record Slice(
            Expression object,
            Optional<Expression> start,
            Optional<Expression> stop,
            Optional<Expression> step,
            int line)
            implements Expression {}

    record Call(Expression callee, ArgumentList arguments, int line) implements Expression {}

    record Filtered(Expression input, FilterCall filter, int line) implements Expression {}

    record Tested(Expression input, String test, ArgumentList arguments, int line)
            implements Expression {}

    record Unary(UnaryOperator operator, Expression operand, int line) implements Expression {}

    record Binary(Expression left, BinaryOperator operator, Expression right, int line)
            implements Expression {}

    /// `a ~ b ~ c`
    record Concatenation(List<Expression> parts, int line) implements Expression {}

    /// `a < b < c`: compares each operand with the preceding one until a comparison fails.
    record Comparison(Expression first, List<Compared> rest, int line) implements Expression {}

    record And(Expression left, Expression right, int line) implements Expression {}

    record Or(Expression left, Expression right, int line) implements Expression {}

    /// `value if condition else otherwise`
    record Conditional(
            Expression condition, Expression value, Optional<Expression> otherwise, int line)
            implements Expression {}

    record ListLiteral(List<Expression> items, int line) implements Expression {}

    record TupleLiteral(List<Expression> items, int line) implements Expression {}

    record DictLiteral(List<Entry> entries, int line) implements Expression {}

    record Entry(Expression key, Expression value) {}

    record Compared(CompareOperator operator, Expression operand) {}

    record FilterCall(String name, ArgumentList arguments, int line) {}

    record Named(String name, Expression value) {}

    /// `(a, b, name=c, *star, **doubleStar)`
    record ArgumentList(
            List<Expression> positional,
            List<Named> named,
            Optional<Expression> star,
            Optional<Expression> doubleStar) {
        static final ArgumentList NONE =
                new ArgumentList(List.of(), List.of(), Optional.empty(), Optional.empty());

        boolean isEmpty() {
            return positional.isEmpty()
                    && named.isEmpty()
                    && star.isEmpty()
                    && doubleStar.isEmpty();
        }
    }

    enum UnaryOperator {
        NOT,
        MINUS,
        PLUS
    }

    enum BinaryOperator {
        ADD("+"),
        SUBTRACT("-"),
        MULTIPLY("*"),
        DIVIDE("/"),
        FLOOR_DIVIDE("//"),
        REMAINDER("%"),
        POWER("**");

        final String symbol;

        BinaryOperator(String symbol) {
            this.symbol = symbol;
        }
    }

    enum CompareOperator {
        EQUAL("=="),
        NOT_EQUAL("!="),
        LESS("<"),
        LESS_OR_EQUAL("<="),
        GREATER(">"),
        GREATER_OR_EQUAL(">="),
        IN("in"),
        NOT_IN("not in");

        final String symbol;

        CompareOperator(String symbol) {
            this.symbol = symbol;
        }
    }
}
