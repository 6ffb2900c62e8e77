// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Filters.Filter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/// Filters that select or change single items; they yield generators, empty ones for false values
/// such as `none`.
final class SelectFilters {
    static final Map<String, Filter> ALL =
            Map.of(
                    "map", SelectFilters::map,
                    "attr", SelectFilters::attr,
                    "select",
                            (input, arguments, budget) ->
                                    select(input, arguments, false, true, budget),
                    "reject",
                            (input, arguments, budget) ->
                                    select(input, arguments, false, false, budget),
                    "selectattr",
                            (input, arguments, budget) ->
                                    select(input, arguments, true, true, budget),
                    "rejectattr",
                            (input, arguments, budget) ->
                                    select(input, arguments, true, false, budget));

    private SelectFilters() {}

    /// Returns the item's part at a path such as `function.name` or `0`.
    static Object attribute(Object item, Object path, Budget budget) {
        if (!Values.isText(path)) {
            return Access.item(item, path, budget);
        }
        Object part = item;
        budget.text(path.toString().length());
        for (String name : path.toString().split("\\.", -1)) {
            budget.step();
            boolean index =
                    !name.isEmpty()
                            && name.length() < 10
                            && name.chars().allMatch(each -> each >= '0' && each <= '9');
            part = Access.item(part, index ? (Object) Long.parseLong(name) : name, budget);
        }
        return part;
    }

    private static Object attr(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("attr", "name");
        bound.required("name");
        if (input instanceof Undefined missing) {
            throw missing.used();
        }
        return Methods.attribute(input, bound.text("name", ""), budget);
    }

    private static Object map(Object input, CallArguments arguments, Budget budget) {
        return Items.generator("sync_do_map", budget, () -> mapped(input, arguments, budget));
    }

    private static List<Object> mapped(Object input, CallArguments arguments, Budget budget) {
        if (!Values.truth(input)) {
            return List.of();
        }
        UnaryOperator<Object> change = change(arguments, budget);
        List<Object> mapped = new ArrayList<>();
        for (Object item : Values.iterate(input, budget)) {
            budget.step();
            mapped.add(change.apply(item));
        }
        return mapped;
    }

    private static UnaryOperator<Object> change(CallArguments arguments, Budget budget) {
        if (!arguments.positional().isEmpty()) {
            String name = Text.of(arguments.positional().getFirst(), budget);
            CallArguments rest = arguments.rest();
            return item -> Filters.apply(name, item, rest, budget);
        }
        CallArguments.Bound bound = arguments.bind("map", "attribute", "default");
        Object path = bound.required("attribute");
        return item -> {
            Object part = attribute(item, path, budget);
            return part instanceof Undefined ? bound.value("default", part) : part;
        };
    }

    private static Object select(
            Object input,
            CallArguments arguments,
            boolean byAttribute,
            boolean keeps,
            Budget budget) {
        return Items.generator(
                "select_or_reject",
                budget,
                () -> selected(input, arguments, byAttribute, keeps, budget));
    }

    private static List<Object> selected(
            Object input,
            CallArguments arguments,
            boolean byAttribute,
            boolean keeps,
            Budget budget) {
        if (!Values.truth(input)) {
            return List.of();
        }
        if (byAttribute && arguments.positional().isEmpty()) {
            throw new TemplateException("Missing parameter for attribute name");
        }
        CallArguments test = byAttribute ? arguments.rest() : arguments;
        Predicate<Object> passes = test(test, budget);
        List<Object> selected = new ArrayList<>();
        for (Object item : Values.iterate(input, budget)) {
            budget.step();
            Object part =
                    byAttribute ? attribute(item, arguments.positional().getFirst(), budget) : item;
            if (passes.test(part) == keeps) {
                selected.add(item);
            }
        }
        return selected;
    }

    private static Predicate<Object> test(CallArguments arguments, Budget budget) {
        if (arguments.positional().isEmpty()) {
            return Values::truth;
        }
        String name = Text.of(arguments.positional().getFirst(), budget);
        CallArguments rest = arguments.rest();
        return item -> Tests.apply(name, item, rest, budget);
    }
}
