// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.And;
import dev.lockstep.text.jinja.Expression.Binary;
import dev.lockstep.text.jinja.Expression.BinaryOperator;
import dev.lockstep.text.jinja.Expression.CompareOperator;
import dev.lockstep.text.jinja.Expression.Compared;
import dev.lockstep.text.jinja.Expression.Comparison;
import dev.lockstep.text.jinja.Expression.Concatenation;
import dev.lockstep.text.jinja.Expression.Conditional;
import dev.lockstep.text.jinja.Expression.Or;
import dev.lockstep.text.jinja.Expression.TupleLiteral;
import dev.lockstep.text.jinja.Expression.Unary;
import dev.lockstep.text.jinja.Expression.UnaryOperator;
import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// A parser for operators, loosest first: `if else`, `or`, `and`, `not`, comparisons, `+ -`, `~`,
/// `* / // %`, `**`, signs.
///
/// `~` binds tighter than `+`, and a filter tighter than any operator. [OperandParser] parses the
/// operands.
final class ExpressionParser {
    private static final Map<String, CompareOperator> COMPARISONS =
            Map.of(
                    "==", CompareOperator.EQUAL,
                    "!=", CompareOperator.NOT_EQUAL,
                    "<", CompareOperator.LESS,
                    "<=", CompareOperator.LESS_OR_EQUAL,
                    ">", CompareOperator.GREATER,
                    ">=", CompareOperator.GREATER_OR_EQUAL);

    private final TokenStream tokens;
    private final OperandParser operands;
    private Set<String> names = new HashSet<>();

    ExpressionParser(TokenStream tokens) {
        this.tokens = tokens;
        this.operands = new OperandParser(tokens, this);
    }

    OperandParser operands() {
        return operands;
    }

    /// Records a name that an expression reads: a macro accepts `varargs`, `kwargs` and `caller`
    /// only if it reads them.
    void reads(String name) {
        names.add(name);
    }

    /// Records names in `fresh` from now on and returns the previous set.
    Set<String> replaceNames(Set<String> fresh) {
        Set<String> before = names;
        names = fresh;
        return before;
    }

    Expression expression() {
        return conditional(true);
    }

    /// Parses one expression, or several separated by commas as a tuple.
    Expression tuple(boolean allowsConditional, String endName, boolean mayBeEmpty) {
        int line = tokens.line();
        List<Expression> items = new ArrayList<>();
        boolean isTuple = false;
        while (!atTupleEnd(endName)) {
            items.add(conditional(allowsConditional));
            if (!tokens.takeOperator(",")) {
                break;
            }
            isTuple = true;
        }
        if (!isTuple && items.size() == 1) {
            return items.getFirst();
        }
        if (items.isEmpty() && !mayBeEmpty) {
            throw tokens.unexpected("an expression");
        }
        return new TupleLiteral(List.copyOf(items), line);
    }

    private boolean atTupleEnd(String endName) {
        return tokens.at(Kind.OUTPUT_END)
                || tokens.at(Kind.BLOCK_END)
                || tokens.atOperator(")")
                || (!endName.isEmpty() && tokens.atName(endName));
    }

    private Expression conditional(boolean allowed) {
        tokens.enter();
        Expression value = or();
        while (allowed && tokens.atName("if")) {
            int line = tokens.take().line();
            Expression condition = or();
            Optional<Expression> otherwise =
                    tokens.takeName("else") ? Optional.of(conditional(true)) : Optional.empty();
            value = new Conditional(condition, value, otherwise, line);
        }
        tokens.leave();
        return value;
    }

    private Expression or() {
        Expression left = and();
        while (tokens.atName("or")) {
            int line = tokens.take().line();
            left = new Or(left, and(), line);
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (tokens.atName("and")) {
            int line = tokens.take().line();
            left = new And(left, not(), line);
        }
        return left;
    }

    private Expression not() {
        if (!tokens.atName("not")) {
            return comparison();
        }
        int line = tokens.take().line();
        tokens.enter();
        Expression operand = not();
        tokens.leave();
        return new Unary(UnaryOperator.NOT, operand, line);
    }

    private Expression comparison() {
        int line = tokens.line();
        Expression first = sum();
        List<Compared> rest = new ArrayList<>();
        Optional<CompareOperator> operator = takeComparison();
        while (operator.isPresent()) {
            rest.add(new Compared(operator.get(), sum()));
            operator = takeComparison();
        }
        return rest.isEmpty() ? first : new Comparison(first, List.copyOf(rest), line);
    }

    private Optional<CompareOperator> takeComparison() {
        if (tokens.at(Kind.OPERATOR)) {
            CompareOperator operator = COMPARISONS.get(tokens.current().text());
            if (operator == null) {
                return Optional.empty();
            }
            tokens.take();
            return Optional.of(operator);
        }
        if (tokens.takeName("in")) {
            return Optional.of(CompareOperator.IN);
        }
        if (tokens.atName("not") && tokens.following().isName("in")) {
            tokens.take();
            tokens.take();
            return Optional.of(CompareOperator.NOT_IN);
        }
        return Optional.empty();
    }

    private Expression sum() {
        Expression left = concatenation();
        while (tokens.atOperator("+") || tokens.atOperator("-")) {
            TemplateToken operator = tokens.take();
            left = new Binary(left, binary(operator), concatenation(), operator.line());
        }
        return left;
    }

    private Expression concatenation() {
        int line = tokens.line();
        Expression first = product();
        if (!tokens.atOperator("~")) {
            return first;
        }
        List<Expression> parts = new ArrayList<>(List.of(first));
        while (tokens.takeOperator("~")) {
            parts.add(product());
        }
        return new Concatenation(List.copyOf(parts), line);
    }

    private Expression product() {
        Expression left = power();
        while (tokens.atOperator("*")
                || tokens.atOperator("/")
                || tokens.atOperator("//")
                || tokens.atOperator("%")) {
            TemplateToken operator = tokens.take();
            left = new Binary(left, binary(operator), power(), operator.line());
        }
        return left;
    }

    private Expression power() {
        Expression left = unary(true);
        while (tokens.atOperator("**")) {
            int line = tokens.take().line();
            left = new Binary(left, BinaryOperator.POWER, unary(true), line);
        }
        return left;
    }

    private Expression unary(boolean withFilters) {
        Expression operand;
        if (tokens.atOperator("-") || tokens.atOperator("+")) {
            TemplateToken sign = tokens.take();
            UnaryOperator operator =
                    sign.text().equals("-") ? UnaryOperator.MINUS : UnaryOperator.PLUS;
            tokens.enter();
            operand = new Unary(operator, unary(false), sign.line());
            tokens.leave();
        } else {
            operand = operands.primary();
        }
        operand = operands.postfix(operand);
        return withFilters ? operands.filtersAndTests(operand) : operand;
    }

    private static BinaryOperator binary(TemplateToken token) {
        for (BinaryOperator operator : BinaryOperator.values()) {
            if (operator.symbol.equals(token.text())) {
                return operator;
            }
        }
        throw new TemplateException("unknown operator '" + token.text() + "'", token.line());
    }
}
