// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Access by `object.name`, `object[key]` and `object[start:stop:step]`.
///
/// A name finds a method or attribute first and a dict's entry second; a key finds them in reverse
/// order. A name or key found in neither place is [Undefined].
final class Access {
    private Access() {}

    static Object attribute(Object object, String name, Budget budget) {
        if (object instanceof Undefined missing) {
            throw missing.used();
        }
        if (object instanceof Map<?, ?> map && !Methods.hasDict(name)) {
            Object entry = map.get(name);
            return entry == null ? Undefined.attribute(map, name) : entry;
        }
        return Methods.attribute(object, name, budget);
    }

    static Object item(Object object, Object key, Budget budget) {
        if (object instanceof Undefined missing) {
            throw missing.used();
        }
        switch (object) {
            case Map<?, ?> map -> {
                boolean hashable =
                        !(key instanceof Map<?, ?>)
                                && !(key instanceof List<?> && !(key instanceof Tuple));
                Object entry = hashable ? map.get(entryKey(key, budget)) : null;
                if (entry != null) {
                    return entry;
                }
            }
            case List<?> list -> {
                if (Numbers.widened(key) instanceof Long index && inRange(index, list.size())) {
                    return list.get((int) (index < 0 ? index + list.size() : index));
                }
            }
            case String text -> {
                if (Numbers.widened(key) instanceof Long index) {
                    return character(text, index, text, budget);
                }
            }
            case Markup text -> {
                if (Numbers.widened(key) instanceof Long index) {
                    return character(text.text(), index, text, budget);
                }
            }
            default -> {}
        }
        if (Values.isText(key)) {
            return Methods.attribute(object, key.toString(), budget);
        }
        return Undefined.element(object, Text.literal(key, budget));
    }

    private static Object entryKey(Object key, Budget budget) {
        return key instanceof Tuple tuple && !isHashable(tuple, budget)
                ? None.NONE
                : Values.key(key, budget);
    }

    private static boolean isHashable(Tuple tuple, Budget budget) {
        budget.enter();
        boolean hashable = true;
        for (Object part : tuple) {
            hashable &=
                    part instanceof Tuple inner
                            ? isHashable(inner, budget)
                            : !(part instanceof List<?> || part instanceof Map<?, ?>);
        }
        budget.leave();
        return hashable;
    }

    private static boolean inRange(long index, int size) {
        return index >= -size && index < size;
    }

    private static Object character(String text, long index, Object receiver, Budget budget) {
        budget.text(text.length());
        int length = text.codePointCount(0, text.length());
        if (!inRange(index, length)) {
            return Undefined.element(receiver, Long.toString(index));
        }
        int at = text.offsetByCodePoints(0, (int) (index < 0 ? index + length : index));
        return Markup.like(receiver, Character.toString(text.codePointAt(at)));
    }

    static Object slice(Object object, Object start, Object stop, Object step, Budget budget) {
        return switch (object) {
            case Undefined missing -> throw missing.used();
            case String text -> slice(text, start, stop, step, budget);
            case Markup text -> new Markup(slice(text.text(), start, stop, step, budget));
            case Tuple tuple -> new Tuple(slice((List<Object>) tuple, start, stop, step, budget));
            case List<?> list -> slice(Values.elements(list), start, stop, step, budget);
            default ->
                    throw new TemplateException(
                            "'" + Values.typeName(object) + "' object cannot be sliced");
        };
    }

    private static List<Object> slice(
            List<Object> items, Object start, Object stop, Object step, Budget budget) {
        Slice span = Slice.of(start, stop, step, items.size());
        List<Object> picked = new ArrayList<>(budget.items(span.count()));
        for (long index = 0; index < span.count(); index++) {
            picked.add(items.get(span.at(index)));
        }
        return picked;
    }

    private static String slice(
            String text, Object start, Object stop, Object step, Budget budget) {
        budget.text(text.length());
        Slice span = Slice.of(start, stop, step, text.codePointCount(0, text.length()));
        if (span.step() == 1) {
            int from = text.offsetByCodePoints(0, span.count() == 0 ? 0 : span.at(0));
            return text.substring(from, text.offsetByCodePoints(from, (int) span.count()));
        }
        int[] characters = text.codePoints().toArray();
        var picked = new StringBuilder();
        for (long index = 0; index < span.count(); index++) {
            picked.appendCodePoint(characters[span.at(index)]);
        }
        return picked.toString();
    }
}
