// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The values of a template: their types, their truth, and their iteration.
///
/// A value is a [String], [Markup], [Long] (a [BigInteger] beyond its range), [Double], [Boolean],
/// [None], [List] ([Tuple] and [Range] are distinct types), [Map], [Items], [Namespace],
/// [Undefined], [Cycler] or [Callable].
final class Values {
    /// The key for every missing value: these are equal, whatever is missing.
    private static final Undefined UNDEFINED_KEY = new Undefined("the key is undefined");

    private Values() {}

    /// Copies a caller's plain value, so that a rendering sees no null and no later change.
    static Object from(@Nullable Object value, Budget budget) {
        return switch (value) {
            case null -> None.NONE;
            case String text -> text;
            case Boolean truth -> truth;
            case Long number -> number;
            case Integer number -> (long) number;
            case Short number -> (long) number;
            case Byte number -> (long) number;
            case Double number -> number;
            case Float number -> (double) number;
            case BigInteger number -> Numbers.integer(number);
            case List<?> list -> {
                budget.enter();
                List<Object> copy = new ArrayList<>(budget.items(list.size()));
                for (Object each : list) {
                    copy.add(from(each, budget));
                }
                budget.leave();
                yield copy;
            }
            case Map<?, ?> map -> {
                budget.enter();
                Map<Object, Object> copy = new LinkedHashMap<>();
                budget.items(map.size());
                map.forEach((key, each) -> copy.put(from(key, budget), from(each, budget)));
                budget.leave();
                yield copy;
            }
            default ->
                    throw new IllegalArgumentException(
                            "a template variable holds a "
                                    + value.getClass().getName()
                                    + ", must be text, number, boolean, null, list or map");
        };
    }

    static String typeName(Object value) {
        return switch (value) {
            case String ignored -> "str";
            case Markup ignored -> "Markup";
            case Long ignored -> "int";
            case BigInteger ignored -> "int";
            case Double ignored -> "float";
            case Boolean ignored -> "bool";
            case None ignored -> "NoneType";
            case Tuple ignored -> "tuple";
            case Range ignored -> "range";
            case List<?> ignored -> "list";
            case Map<?, ?> ignored -> "dict";
            case Items items -> items.typeName();
            case Namespace ignored -> "Namespace";
            case Undefined ignored -> "Undefined";
            case Macro ignored -> "Macro";
            case Loop ignored -> "LoopContext";
            case Cycler ignored -> "Cycler";
            case Joiner ignored -> "Joiner";
            default -> "function";
        };
    }

    static String describe(Object value) {
        return value == None.NONE ? "None" : "'" + typeName(value) + " object'";
    }

    static boolean isText(Object value) {
        return value instanceof String || value instanceof Markup;
    }

    static boolean truth(Object value) {
        return switch (value) {
            case Boolean truth -> truth;
            case String text -> !text.isEmpty();
            case Markup markup -> !markup.text().isEmpty();
            case Long number -> number != 0;
            case BigInteger ignored -> true;
            case Double number -> number != 0;
            case None ignored -> false;
            case Undefined ignored -> false;
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case Items items -> items.isOnce() || !items.take().isEmpty();
            case Loop loop -> loop.length() > 0;
            default -> true;
        };
    }

    static long length(Object value) {
        return switch (value) {
            case String text -> text.codePointCount(0, text.length());
            case Markup markup -> markup.text().codePointCount(0, markup.text().length());
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Items items when !items.isOnce() -> items.take().size();
            case Undefined ignored -> 0;
            case Loop loop -> loop.length();
            default ->
                    throw new TemplateException(
                            "object of type '" + typeName(value) + "' has no len()");
        };
    }

    static boolean isIterable(Object value) {
        return switch (value) {
            case String ignored -> true;
            case Markup ignored -> true;
            case List<?> ignored -> true;
            case Map<?, ?> ignored -> true;
            case Items ignored -> true;
            case Undefined ignored -> true;
            case Loop ignored -> true;
            default -> false;
        };
    }

    /// Returns the values that a loop over this value visits: characters of a text, keys of a dict.
    static List<Object> iterate(Object value, Budget budget) {
        return switch (value) {
            case String text -> characters(text, budget);
            case Markup markup -> characters(markup.text(), budget);
            case List<?> list -> elements(list);
            case Map<?, ?> map -> {
                budget.items(map.size());
                yield new ArrayList<>(map.keySet());
            }
            case Items items -> items.take();
            case Undefined ignored -> List.of();
            case Loop loop -> loop.remaining();
            default ->
                    throw new TemplateException("'" + typeName(value) + "' object is not iterable");
        };
    }

    /// Returns an unmodifiable view of the list.
    static List<Object> elements(List<?> list) {
        return Collections.unmodifiableList(list);
    }

    private static List<Object> characters(String text, Budget budget) {
        List<Object> characters =
                new ArrayList<>(budget.items(text.codePointCount(0, text.length())));
        for (int at = 0; at < text.length(); ) {
            int character = text.codePointAt(at);
            characters.add(Character.toString(character));
            at += Character.charCount(character);
        }
        return characters;
    }

    /// Returns a dict's entries as pairs.
    static List<Object> pairs(Map<?, ?> map, Budget budget) {
        List<Object> pairs = new ArrayList<>(budget.items(map.size()));
        map.forEach((key, value) -> pairs.add(Tuple.of(key, value)));
        return pairs;
    }

    /// Returns the value as a dict key: 2.0 becomes the key 2, and a list is refused.
    static Object key(Object value, Budget budget) {
        budget.step();
        return switch (value) {
            case Markup markup -> markup.text();
            case Double number when number == Math.rint(number) && Math.abs(number) < 1e15 ->
                    (long) (double) number;
            case Tuple tuple -> {
                budget.enter();
                budget.items(tuple.size());
                List<Object> parts = new ArrayList<>();
                tuple.forEach(part -> parts.add(key(part, budget)));
                budget.leave();
                yield new Tuple(parts);
            }
            case Range range -> range;
            case Undefined ignored -> UNDEFINED_KEY;
            case List<?> ignored -> throw unhashable(value);
            case Map<?, ?> ignored -> throw unhashable(value);
            case Items items when !items.isOnce() -> throw unhashable(value);
            default -> value;
        };
    }

    private static TemplateException unhashable(Object value) {
        return new TemplateException("unhashable type: '" + typeName(value) + "'");
    }
}
