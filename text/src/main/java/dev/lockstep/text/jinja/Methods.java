// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// The attributes and methods of values; methods that would modify a list or dict are refused when
/// used.
final class Methods {
    private static final Set<String> LIST_CHANGES =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");
    private static final Set<String> DICT_CHANGES =
            Set.of("clear", "pop", "popitem", "setdefault", "update");
    private static final Set<String> LIST_METHODS = Set.of("copy", "count", "index");
    private static final Set<String> TUPLE_METHODS = Set.of("count", "index");
    private static final Set<String> DICT_METHODS =
            Set.of("copy", "get", "items", "keys", "values");

    private Methods() {}

    static Object attribute(Object object, String name, Budget budget) {
        if (refuses(object, name)) {
            return Undefined.unsafe(object, name);
        }
        return switch (object) {
            case String text when StringMethods.has(name) ->
                    Function.of(
                            text,
                            name,
                            arguments -> StringMethods.call(text, text, name, arguments, budget));
            case Markup text when StringMethods.has(name) ->
                    Function.of(
                            text,
                            name,
                            arguments ->
                                    StringMethods.call(text, text.text(), name, arguments, budget));
            case Map<?, ?> map when DICT_METHODS.contains(name) ->
                    Function.of(map, name, arguments -> dict(map, name, arguments, budget));
            case List<?> list when listMethods(list).contains(name) ->
                    Function.of(list, name, arguments -> list(list, name, arguments, budget));
            case Namespace namespace when namespace.attributes().containsKey(name) ->
                    namespace.attributes().getOrDefault(name, None.NONE);
            case Loop loop -> loop.attribute(name);
            case Macro macro -> macro.attribute(name);
            case Cycler cycler -> cycler.attribute(name);
            case Joiner joiner -> joiner.attribute(name);
            case Tuple tuple -> tuple.attribute(name);
            default -> Undefined.attribute(object, name);
        };
    }

    /// Returns whether every dict has the attribute, which then hides an entry of that name.
    static boolean hasDict(String name) {
        return DICT_METHODS.contains(name) || DICT_CHANGES.contains(name);
    }

    private static boolean refuses(Object object, String name) {
        return switch (object) {
            case Tuple ignored -> false;
            case Range ignored -> false;
            case List<?> ignored -> LIST_CHANGES.contains(name);
            case Map<?, ?> ignored -> DICT_CHANGES.contains(name);
            default -> false;
        };
    }

    private static Set<String> listMethods(List<?> list) {
        return list instanceof Tuple || list instanceof Range ? TUPLE_METHODS : LIST_METHODS;
    }

    private static Object dict(Map<?, ?> map, String name, CallArguments arguments, Budget budget) {
        if (name.equals("get")) {
            CallArguments.Bound bound = arguments.bind("get", "key", "default");
            Object value = map.get(Values.key(bound.required("key"), budget));
            return value == null ? bound.value("default", None.NONE) : value;
        }
        arguments.bind(name);
        budget.items(map.size());
        return switch (name) {
            case "items" -> Items.view("dict_items", Values.pairs(map, budget));
            case "keys" -> Items.view("dict_keys", new ArrayList<>(map.keySet()));
            case "values" -> Items.view("dict_values", new ArrayList<>(map.values()));
            default -> new LinkedHashMap<Object, Object>(map);
        };
    }

    private static Object list(List<?> list, String name, CallArguments arguments, Budget budget) {
        if (name.equals("copy")) {
            arguments.bind(name);
            return list;
        }
        CallArguments.Bound bound = arguments.bind(name, "value");
        Object wanted = bound.required("value");
        long count = 0;
        for (int index = 0; index < list.size(); index++) {
            if (Order.equal(list.get(index), wanted, budget)) {
                if (name.equals("index")) {
                    return (long) index;
                }
                count++;
            }
        }
        if (name.equals("index")) {
            throw new TemplateException(Text.literal(wanted, budget) + " is not in list");
        }
        return count;
    }
}
