// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.ArgumentList;
import dev.lockstep.text.jinja.Expression.Compared;
import dev.lockstep.text.jinja.Expression.Entry;
import dev.lockstep.text.jinja.Expression.FilterCall;
import dev.lockstep.text.jinja.Expression.Named;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/// A search for the names that an expression reads; refuses an expression nested too deeply to
/// evaluate.
final class NameReads {
    private static final int NESTING_LIMIT = 500;

    private final Consumer<String> found;
    private int nesting;

    NameReads(Consumer<String> found) {
        this.found = found;
    }

    void in(Expression expression) {
        if (++nesting > NESTING_LIMIT) {
            throw new TemplateException(
                    "expression nested deeper than " + NESTING_LIMIT, expression.line());
        }
        switch (expression) {
            case Expression.Literal ignored -> {}
            case Expression.Name name -> found.accept(name.name());
            case Expression.Attribute part -> in(part.object());
            case Expression.Item part -> {
                in(part.object());
                in(part.key());
            }
            case Expression.Slice slice -> {
                in(slice.object());
                in(slice.start());
                in(slice.stop());
                in(slice.step());
            }
            case Expression.Call call -> {
                in(call.callee());
                in(call.arguments());
            }
            case Expression.Filtered filtered -> {
                in(filtered.input());
                in(filtered.filter());
            }
            case Expression.Tested tested -> {
                in(tested.input());
                in(tested.arguments());
            }
            case Expression.Unary unary -> in(unary.operand());
            case Expression.Binary binary -> {
                in(binary.left());
                in(binary.right());
            }
            case Expression.Concatenation concatenation -> in(concatenation.parts());
            case Expression.Comparison comparison -> {
                in(comparison.first());
                for (Compared next : comparison.rest()) {
                    in(next.operand());
                }
            }
            case Expression.And and -> {
                in(and.left());
                in(and.right());
            }
            case Expression.Or or -> {
                in(or.left());
                in(or.right());
            }
            case Expression.Conditional conditional -> {
                in(conditional.condition());
                in(conditional.value());
                in(conditional.otherwise());
            }
            case Expression.ListLiteral list -> in(list.items());
            case Expression.TupleLiteral tuple -> in(tuple.items());
            case Expression.DictLiteral dict -> {
                for (Entry entry : dict.entries()) {
                    in(entry.key());
                    in(entry.value());
                }
            }
        }
        nesting--;
    }

    void in(Optional<Expression> expression) {
        expression.ifPresent(this::in);
    }

    void in(FilterCall filter) {
        in(filter.arguments());
    }

    private void in(List<Expression> expressions) {
        expressions.forEach(this::in);
    }

    private void in(ArgumentList arguments) {
        in(arguments.positional());
        for (Named named : arguments.named()) {
            in(named.value());
        }
        in(arguments.star());
        in(arguments.doubleStar());
    }
}
