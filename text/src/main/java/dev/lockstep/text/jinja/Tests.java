// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.CompareOperator;
import java.math.BigInteger;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/// The tests that follow `is`.
final class Tests {
    private static final Map<String, CompareOperator> COMPARISONS =
            Map.ofEntries(
                    Map.entry("==", CompareOperator.EQUAL),
                    Map.entry("eq", CompareOperator.EQUAL),
                    Map.entry("equalto", CompareOperator.EQUAL),
                    Map.entry("!=", CompareOperator.NOT_EQUAL),
                    Map.entry("ne", CompareOperator.NOT_EQUAL),
                    Map.entry("<", CompareOperator.LESS),
                    Map.entry("lt", CompareOperator.LESS),
                    Map.entry("lessthan", CompareOperator.LESS),
                    Map.entry("<=", CompareOperator.LESS_OR_EQUAL),
                    Map.entry("le", CompareOperator.LESS_OR_EQUAL),
                    Map.entry(">", CompareOperator.GREATER),
                    Map.entry("gt", CompareOperator.GREATER),
                    Map.entry("greaterthan", CompareOperator.GREATER),
                    Map.entry(">=", CompareOperator.GREATER_OR_EQUAL),
                    Map.entry("ge", CompareOperator.GREATER_OR_EQUAL),
                    Map.entry("in", CompareOperator.IN));

    private Tests() {}

    static boolean apply(String name, Object value, CallArguments arguments, Budget budget) {
        CompareOperator comparison = COMPARISONS.get(name);
        if (comparison != null) {
            Object other = arguments.bind(name, "other").required("other");
            return Operators.compare(comparison, value, other, budget);
        }
        return switch (name) {
            case "divisibleby" -> {
                Object divisor = arguments.bind(name, "num").required("num");
                Object remainder =
                        Operators.binary(
                                Expression.BinaryOperator.REMAINDER, value, divisor, budget);
                yield Order.equal(remainder, 0L, budget);
            }
            case "sameas" -> same(value, arguments.bind(name, "other").required("other"));
            default -> {
                arguments.bind(name);
                yield plain(name, value, budget);
            }
        };
    }

    private static boolean same(Object value, Object other) {
        boolean scalar =
                value instanceof Boolean || value instanceof Long || value instanceof String;
        if (scalar) {
            return value.equals(other);
        }
        IdentityHashMap<Object, Boolean> identity = new IdentityHashMap<>();
        identity.put(value, true);
        return identity.containsKey(other);
    }

    private static boolean plain(String name, Object value, Budget budget) {
        return switch (name) {
            case "defined" -> !(value instanceof Undefined);
            case "undefined" -> value instanceof Undefined;
            case "none" -> value == None.NONE;
            case "boolean" -> value instanceof Boolean;
            case "true" -> value.equals(true);
            case "false" -> value.equals(false);
            case "integer" -> value instanceof Long || value instanceof BigInteger;
            case "float" -> value instanceof Double;
            case "number" -> Numbers.isNumber(value);
            case "string" -> Values.isText(value);
            case "mapping" -> value instanceof Map<?, ?>;
            case "iterable" -> Values.isIterable(value);
            case "sequence" -> isSequence(value);
            case "callable" -> value instanceof Callable || value instanceof Undefined;
            case "escaped" -> value instanceof Markup;
            case "odd" -> parity(value, budget) == 1;
            case "even" -> parity(value, budget) == 0;
            case "lower" -> TextCase.test("islower", Text.of(value, budget));
            case "upper" -> TextCase.test("isupper", Text.of(value, budget));
            case "filter" -> Values.isText(value) && Filters.has(value.toString());
            case "test" -> Values.isText(value) && has(value.toString());
            default -> throw new TemplateException("no test named '" + name + "'");
        };
    }

    private static boolean has(String name) {
        return COMPARISONS.containsKey(name)
                || List.of(
                                "divisibleby",
                                "sameas",
                                "defined",
                                "undefined",
                                "none",
                                "boolean",
                                "true",
                                "false",
                                "integer",
                                "float",
                                "number",
                                "string",
                                "mapping",
                                "iterable",
                                "sequence",
                                "callable",
                                "escaped",
                                "odd",
                                "even",
                                "lower",
                                "upper",
                                "filter",
                                "test")
                        .contains(name);
    }

    private static long parity(Object value, Budget budget) {
        Object remainder = Operators.binary(Expression.BinaryOperator.REMAINDER, value, 2L, budget);
        return Order.equal(remainder, 1L, budget) ? 1 : Order.equal(remainder, 0L, budget) ? 0 : -1;
    }

    /// Returns whether the value has a length and can be indexed, dicts and undefined values
    /// included.
    private static boolean isSequence(Object value) {
        return Values.isText(value)
                || value instanceof List<?>
                || value instanceof Map<?, ?>
                || value instanceof Undefined;
    }
}
