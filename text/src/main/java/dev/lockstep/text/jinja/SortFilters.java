// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Filters.Filter;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// Filters that sort or compare items; case is ignored by default.
final class SortFilters {
    static final Map<String, Filter> ALL =
            Map.of(
                    "sort", SortFilters::sort,
                    "dictsort", SortFilters::dictSort,
                    "unique", SortFilters::unique,
                    "groupby", SortFilters::groupBy,
                    "min", (input, arguments, budget) -> extreme("min", input, arguments, budget),
                    "max", (input, arguments, budget) -> extreme("max", input, arguments, budget));

    private SortFilters() {}

    private static Object fold(Object value, boolean caseSensitive) {
        return !caseSensitive && Values.isText(value)
                ? StringMethods.lower(value.toString())
                : value;
    }

    private static Comparator<Object> order(boolean reversed, Budget budget) {
        Comparator<Object> order = (a, b) -> Order.compare(a, b, "<", budget);
        return reversed ? order.reversed() : order;
    }

    /// An item and its comparison key.
    private record Keyed(Object key, Object item) {}

    private static List<Keyed> keyed(
            Object input, Optional<Object> path, boolean caseSensitive, Budget budget) {
        List<Keyed> keyed = new ArrayList<>();
        for (Object item : Values.iterate(input, budget)) {
            budget.step();
            Object key = path.map(each -> SelectFilters.attribute(item, each, budget)).orElse(item);
            keyed.add(new Keyed(fold(key, caseSensitive), item));
        }
        return keyed;
    }

    /// Returns the parts at one path, or at several separated by commas.
    private static Tuple parts(Object item, Object path, boolean caseSensitive, Budget budget) {
        List<Object> parts = new ArrayList<>();
        List<?> paths =
                Values.isText(path) ? List.of(path.toString().split(",", -1)) : List.of(path);
        for (Object each : paths) {
            parts.add(fold(SelectFilters.attribute(item, each, budget), caseSensitive));
        }
        return new Tuple(parts);
    }

    static Optional<Object> path(CallArguments.Bound bound) {
        return bound.value("attribute").filter(path -> path != None.NONE);
    }

    private static List<Object> sorted(List<Keyed> keyed, boolean reversed, Budget budget) {
        keyed.sort(Comparator.comparing(Keyed::key, order(reversed, budget)));
        List<Object> items = new ArrayList<>();
        keyed.forEach(each -> items.add(each.item()));
        return items;
    }

    private static Object sort(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound =
                arguments.bind("sort", "reverse", "case_sensitive", "attribute");
        boolean caseSensitive = bound.truth("case_sensitive", false);
        List<Keyed> keyed = new ArrayList<>();
        for (Object item : Values.iterate(input, budget)) {
            budget.step();
            Object key =
                    path(bound)
                            .map(each -> (Object) parts(item, each, caseSensitive, budget))
                            // As the only part: equal items need no order, so that several
                            // values of none can be sorted.
                            .orElseGet(() -> Tuple.of(fold(item, caseSensitive)));
            keyed.add(new Keyed(key, item));
        }
        return sorted(keyed, bound.truth("reverse", false), budget);
    }

    private static Object dictSort(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("dictsort", "case_sensitive", "by", "reverse");
        Object by =
                switch (bound.text("by", "key")) {
                    case "key" -> 0L;
                    case "value" -> 1L;
                    default ->
                            throw new TemplateException(
                                    "You can only sort by either \"key\" or \"value\"");
                };
        if (input instanceof Undefined missing) {
            throw missing.used();
        }
        if (!(input instanceof Map<?, ?> map)) {
            throw new TemplateException("dictsort() needs a dict, not " + Values.typeName(input));
        }
        List<Object> pairs = Values.pairs(map, budget);
        List<Keyed> keyed =
                keyed(pairs, Optional.of(by), bound.truth("case_sensitive", false), budget);
        return sorted(keyed, bound.truth("reverse", false), budget);
    }

    private static Object unique(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("unique", "case_sensitive", "attribute");
        return Items.generator("sync_do_unique", budget, () -> unique(input, bound, budget));
    }

    private static List<Object> unique(Object input, CallArguments.Bound bound, Budget budget) {
        List<Object> kept = new ArrayList<>();
        Set<Object> seen = new HashSet<>();
        for (Keyed each : keyed(input, path(bound), bound.truth("case_sensitive", false), budget)) {
            // True and 1 are equal, also as keys.
            Object key = each.key() instanceof Boolean ? Numbers.widened(each.key()) : each.key();
            if (seen.add(Values.key(key, budget))) {
                kept.add(each.item());
            }
        }
        return kept;
    }

    private static Object groupBy(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound =
                arguments.bind("groupby", "attribute", "default", "case_sensitive");
        Object path = bound.required("attribute");
        boolean caseSensitive = bound.truth("case_sensitive", false);
        List<Keyed> keyed = new ArrayList<>();
        for (Object item : Values.iterate(input, budget)) {
            Object part = SelectFilters.attribute(item, path, budget);
            Object present = part instanceof Undefined ? bound.value("default", part) : part;
            keyed.add(new Keyed(fold(present, caseSensitive), item));
        }
        keyed.sort(Comparator.comparing(Keyed::key, order(false, budget)));
        List<Object> groups = new ArrayList<>();
        List<Object> group = new ArrayList<>();
        for (int index = 0; index < keyed.size(); index++) {
            group.add(keyed.get(index).item());
            boolean ends =
                    index + 1 == keyed.size()
                            || !Order.equal(
                                    keyed.get(index).key(), keyed.get(index + 1).key(), budget);
            if (ends) {
                Object part = SelectFilters.attribute(group.getFirst(), path, budget);
                Object grouper = part instanceof Undefined ? bound.value("default", part) : part;
                groups.add(Tuple.group(grouper, group));
                group = new ArrayList<>();
            }
        }
        return groups;
    }

    private static Object extreme(
            String name, Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind(name, "case_sensitive", "attribute");
        List<Keyed> keyed = keyed(input, path(bound), bound.truth("case_sensitive", false), budget);
        if (keyed.isEmpty()) {
            return new Undefined("No aggregated item, sequence was empty.");
        }
        Keyed best = keyed.getFirst();
        for (Keyed each : keyed.subList(1, keyed.size())) {
            int order =
                    Order.compare(each.key(), best.key(), name.equals("min") ? "<" : ">", budget);
            if (name.equals("min") ? order < 0 : order > 0) {
                best = each;
            }
        }
        return best.item();
    }
}
