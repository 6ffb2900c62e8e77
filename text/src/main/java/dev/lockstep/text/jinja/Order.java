// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.Iterator;
import java.util.List;
import java.util.Map;

/// Equality, order and membership of values.
///
/// Numbers compare across their kinds (`True == 1 == 1.0`), texts by code point, lists element by
/// element; a list and a tuple are never equal, and comparing values without an order is an error.
final class Order {
    private Order() {}

    static boolean equal(Object left, Object right, Budget budget) {
        budget.enter();
        boolean equal = same(left, right, budget);
        budget.leave();
        return equal;
    }

    private static boolean same(Object left, Object right, Budget budget) {
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            Object a = Numbers.widened(left);
            Object b = Numbers.widened(right);
            return !isNan(a) && !isNan(b) && Numbers.compare(a, b) == 0;
        }
        return switch (left) {
            case String text -> Values.isText(right) && sameText(text, right.toString(), budget);
            case Markup text ->
                    Values.isText(right) && sameText(text.text(), right.toString(), budget);
            case Undefined ignored -> right instanceof Undefined;
            case List<?> list ->
                    right instanceof List<?> other
                            && Values.typeName(left).equals(Values.typeName(right))
                            && sameItems(list, other, budget);
            case Map<?, ?> map ->
                    right instanceof Map<?, ?> other && sameEntries(map, other, budget);
            default -> left.equals(right);
        };
    }

    private static boolean isNan(Object number) {
        return number instanceof Double real && Double.isNaN(real);
    }

    private static boolean sameText(String left, String right, Budget budget) {
        budget.text(Math.min(left.length(), right.length()));
        return left.equals(right);
    }

    private static boolean sameItems(List<?> left, List<?> right, Budget budget) {
        if (left.size() != right.size()) {
            return false;
        }
        Iterator<?> others = right.iterator();
        for (Object each : left) {
            if (!equal(each, others.next(), budget)) {
                return false;
            }
        }
        return true;
    }

    private static boolean sameEntries(Map<?, ?> left, Map<?, ?> right, Budget budget) {
        if (left.size() != right.size()) {
            return false;
        }
        for (Map.Entry<?, ?> entry : left.entrySet()) {
            Object other = right.get(entry.getKey());
            if (other == null || !equal(entry.getValue(), other, budget)) {
                return false;
            }
        }
        return true;
    }

    /// Returns a negative number, zero or a positive number; throws with `operator` in the message
    /// if the values have no order.
    static int compare(Object left, Object right, String operator, Budget budget) {
        budget.step();
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            return Numbers.compare(Numbers.widened(left), Numbers.widened(right));
        }
        if (Values.isText(left) && Values.isText(right)) {
            return compareText(left.toString(), right.toString(), budget);
        }
        boolean sequences =
                left instanceof List<?>
                        && !(left instanceof Range)
                        && Values.typeName(left).equals(Values.typeName(right));
        if (sequences) {
            return compareItems((List<?>) left, (List<?>) right, operator, budget);
        }
        if (left instanceof Undefined missing) {
            throw missing.used();
        }
        if (right instanceof Undefined missing) {
            throw missing.used();
        }
        throw new TemplateException(
                "'"
                        + operator
                        + "' not supported between instances of '"
                        + Values.typeName(left)
                        + "' and '"
                        + Values.typeName(right)
                        + "'");
    }

    static boolean isOrdered(Object left, Object right) {
        return !isNan(left) && !isNan(right);
    }

    private static int compareText(String left, String right, Budget budget) {
        int shared = budget.text(Math.min(left.length(), right.length()));
        for (int at = 0; at < shared; at++) {
            char a = left.charAt(at);
            char b = right.charAt(at);
            if (a != b) {
                boolean surrogates = Character.isSurrogate(a) != Character.isSurrogate(b);
                return surrogates ? (Character.isSurrogate(a) ? 1 : -1) : Character.compare(a, b);
            }
        }
        return Integer.compare(left.length(), right.length());
    }

    private static int compareItems(List<?> left, List<?> right, String operator, Budget budget) {
        budget.enter();
        Iterator<?> others = right.iterator();
        for (Object each : left) {
            if (!others.hasNext()) {
                break;
            }
            Object other = others.next();
            if (!equal(each, other, budget)) {
                int order = compare(each, other, operator, budget);
                budget.leave();
                return order;
            }
        }
        budget.leave();
        return Integer.compare(left.size(), right.size());
    }

    static boolean contains(Object container, Object value, Budget budget) {
        return switch (container) {
            case String text -> containsText(text, value, budget);
            case Markup text -> containsText(text.text(), value, budget);
            case Map<?, ?> map -> map.containsKey(Values.key(value, budget));
            case Undefined ignored -> false;
            default -> {
                if (!Values.isIterable(container)) {
                    throw new TemplateException(
                            "argument of type '"
                                    + Values.typeName(container)
                                    + "' is not iterable");
                }
                yield finds(container, value, budget);
            }
        };
    }

    /// Returns whether an item equals the value; a generator goes on after that item.
    private static boolean finds(Object container, Object value, Budget budget) {
        List<Object> items = Values.iterate(container, budget);
        for (int index = 0; index < items.size(); index++) {
            if (equal(items.get(index), value, budget)) {
                if (container instanceof Items taken) {
                    taken.giveBack(items.subList(index + 1, items.size()));
                }
                return true;
            }
        }
        return false;
    }

    private static boolean containsText(String text, Object value, Budget budget) {
        if (!Values.isText(value)) {
            throw new TemplateException(
                    "'in <string>' requires string as left operand, not " + Values.typeName(value));
        }
        budget.text(text.length());
        return new Needle(value.toString()).in(text, 0) >= 0;
    }
}
