// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.BinaryOperator;
import dev.lockstep.text.jinja.Expression.CompareOperator;
import dev.lockstep.text.jinja.Expression.UnaryOperator;
import java.util.ArrayList;
import java.util.List;

/// The operators of expressions, applied to values.
final class Operators {
    private Operators() {}

    static Object unary(UnaryOperator operator, Object operand) {
        if (operator == UnaryOperator.NOT) {
            return !Values.truth(operand);
        }
        if (operand instanceof Undefined missing) {
            throw missing.used();
        }
        if (!Numbers.isNumber(operand)) {
            String sign = operator == UnaryOperator.MINUS ? "-" : "+";
            throw new TemplateException(
                    "bad operand type for unary " + sign + ": '" + Values.typeName(operand) + "'");
        }
        Object number = Numbers.widened(operand);
        if (operator == UnaryOperator.PLUS) {
            return number;
        }
        return number instanceof Double real ? (Object) (-real) : Numbers.subtract(0L, number);
    }

    static boolean compare(CompareOperator operator, Object left, Object right, Budget budget) {
        return switch (operator) {
            case EQUAL -> Order.equal(left, right, budget);
            case NOT_EQUAL -> !Order.equal(left, right, budget);
            case IN -> Order.contains(right, left, budget);
            case NOT_IN -> !Order.contains(right, left, budget);
            case LESS -> order(operator, left, right, budget) && sign(left, right, budget) < 0;
            case LESS_OR_EQUAL ->
                    order(operator, left, right, budget) && sign(left, right, budget) <= 0;
            case GREATER -> order(operator, left, right, budget) && sign(left, right, budget) > 0;
            case GREATER_OR_EQUAL ->
                    order(operator, left, right, budget) && sign(left, right, budget) >= 0;
        };
    }

    private static boolean order(
            CompareOperator operator, Object left, Object right, Budget budget) {
        Order.compare(left, right, operator.symbol, budget);
        return Order.isOrdered(left, right);
    }

    private static int sign(Object left, Object right, Budget budget) {
        return Order.compare(left, right, "<", budget);
    }

    static Object binary(BinaryOperator operator, Object left, Object right, Budget budget) {
        if (left instanceof Undefined missing) {
            throw missing.used();
        }
        if (operator == BinaryOperator.REMAINDER && Values.isText(left)) {
            return PercentFormat.format(left, right, budget);
        }
        if (right instanceof Undefined missing) {
            throw missing.used();
        }
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            return number(operator, Numbers.widened(left), Numbers.widened(right));
        }
        return switch (operator) {
            case ADD -> add(left, right, budget);
            case MULTIPLY -> {
                if (right instanceof Long || right instanceof Boolean) {
                    yield repeat(left, right, budget);
                }
                yield repeat(right, left, budget);
            }
            case SUBTRACT, DIVIDE, FLOOR_DIVIDE, REMAINDER, POWER ->
                    throw unsupported(operator.symbol, left, right);
        };
    }

    private static Object number(BinaryOperator operator, Object left, Object right) {
        return switch (operator) {
            case ADD -> Numbers.add(left, right);
            case SUBTRACT -> Numbers.subtract(left, right);
            case MULTIPLY -> Numbers.multiply(left, right);
            case DIVIDE -> Numbers.divide(left, right);
            case FLOOR_DIVIDE -> Numbers.floorDivide(left, right);
            case REMAINDER -> Numbers.remainder(left, right);
            case POWER -> Numbers.power(left, right);
        };
    }

    private static Object add(Object left, Object right, Budget budget) {
        if (Values.isText(left) && Values.isText(right)) {
            boolean safe = left instanceof Markup || right instanceof Markup;
            String first = safe ? Markup.escape(left, budget) : left.toString();
            String second = safe ? Markup.escape(right, budget) : right.toString();
            budget.text((long) first.length() + second.length());
            String joined = first.concat(second);
            return safe ? new Markup(joined) : joined;
        }
        boolean sequences =
                left instanceof List<?>
                        && !(left instanceof Range)
                        && Values.typeName(left).equals(Values.typeName(right));
        if (sequences) {
            List<?> first = (List<?>) left;
            List<?> second = (List<?>) right;
            List<Object> joined =
                    new ArrayList<>(budget.items((long) first.size() + second.size()));
            joined.addAll(first);
            joined.addAll(second);
            return left instanceof Tuple ? new Tuple(joined) : joined;
        }
        if (Values.isText(left) || (left instanceof List<?> && !(left instanceof Range))) {
            String type = left instanceof Markup ? "str" : Values.typeName(left);
            throw new TemplateException(
                    "can only concatenate "
                            + type
                            + " (not \""
                            + Values.typeName(right)
                            + "\") to "
                            + type);
        }
        throw unsupported("+", left, right);
    }

    private static Object repeat(Object value, Object times, Budget budget) {
        if (!(Numbers.widened(times) instanceof Long number)) {
            throw unsupported("*", value, times);
        }
        long count = Math.max(0, Math.min(number, Integer.MAX_VALUE));
        if (Values.isText(value)) {
            String text = value.toString();
            budget.text(text.length() * count);
            return Markup.like(value, text.repeat(text.isEmpty() ? 0 : (int) count));
        }
        if (value instanceof List<?> list && !(value instanceof Range)) {
            List<Object> repeated = new ArrayList<>(budget.items(list.size() * count));
            for (long done = 0; done < count && !list.isEmpty(); done++) {
                repeated.addAll(list);
            }
            return value instanceof Tuple ? new Tuple(repeated) : repeated;
        }
        throw unsupported("*", value, times);
    }

    private static TemplateException unsupported(String operator, Object left, Object right) {
        return new TemplateException(
                "unsupported operand type(s) for "
                        + operator
                        + ": '"
                        + Values.typeName(left)
                        + "' and '"
                        + Values.typeName(right)
                        + "'");
    }
}
