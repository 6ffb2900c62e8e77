// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Filters.Filter;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/// Filters over sequences that keep the order of their items.
final class SequenceFilters {
    static final Map<String, Filter> ALL =
            Map.ofEntries(
                    Map.entry("length", SequenceFilters::length),
                    Map.entry("count", SequenceFilters::length),
                    Map.entry("first", SequenceFilters::first),
                    Map.entry("last", SequenceFilters::last),
                    Map.entry("list", SequenceFilters::list),
                    Map.entry("join", SequenceFilters::join),
                    Map.entry("reverse", SequenceFilters::reverse),
                    Map.entry("items", SequenceFilters::items),
                    Map.entry("sum", SequenceFilters::sum),
                    Map.entry("batch", SequenceFilters::batch),
                    Map.entry("slice", SequenceFilters::slice));

    private SequenceFilters() {}

    private static Object length(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("length");
        return Values.length(input);
    }

    private static Object first(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("first");
        List<Object> items = Values.iterate(input, budget);
        if (items.isEmpty()) {
            return new Undefined("No first item, sequence was empty.");
        }
        if (input instanceof Items taken) {
            taken.giveBack(items.subList(1, items.size()));
        }
        return items.getFirst();
    }

    private static Object last(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("last");
        if (input instanceof Items items && items.isOnce()) {
            throw new TemplateException("'" + items.typeName() + "' object is not reversible");
        }
        List<Object> items = Values.iterate(input, budget);
        return items.isEmpty()
                ? new Undefined("No last item, sequence was empty.")
                : items.getLast();
    }

    private static Object list(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("list");
        List<Object> items = Values.iterate(input, budget);
        budget.items(items.size());
        return new ArrayList<>(items);
    }

    private static Object join(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("join", "d", "attribute");
        String separator = Text.of(bound.value("d", ""), budget);
        var joined = new Output(budget);
        boolean first = true;
        for (Object item : Values.iterate(input, budget)) {
            Object part = part(item, bound, budget);
            joined.append(first ? "" : separator).append(Text.of(part, budget));
            first = false;
        }
        return joined.toString();
    }

    /// Returns the item, or its attribute that the filter's `attribute` names.
    private static Object part(Object item, CallArguments.Bound bound, Budget budget) {
        return SortFilters.path(bound)
                .map(path -> SelectFilters.attribute(item, path, budget))
                .orElse(item);
    }

    private static Object reverse(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("reverse");
        if (Values.isText(input)) {
            return Access.slice(input, None.NONE, None.NONE, -1L, budget);
        }
        List<Object> items = new ArrayList<>(Values.iterate(input, budget));
        budget.items(items.size());
        Collections.reverse(items);
        return input instanceof Items walked && walked.isOnce()
                ? items
                : Items.iterator(reverseIterator(input), items);
    }

    private static String reverseIterator(Object input) {
        return switch (input) {
            case Tuple ignored -> "reversed";
            case Range ignored -> "range_iterator";
            case List<?> ignored -> "list_reverseiterator";
            case Map<?, ?> ignored -> "dict_reversekeyiterator";
            case Items view ->
                    switch (view.typeName()) {
                        case "dict_items" -> "dict_reverseitemiterator";
                        case "dict_values" -> "dict_reversevalueiterator";
                        default -> "dict_reversekeyiterator";
                    };
            default -> "reversed";
        };
    }

    private static Object items(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("items");
        return Items.generator(
                "do_items",
                budget,
                () ->
                        switch (input) {
                            case Undefined ignored -> List.of();
                            case Map<?, ?> map -> Values.pairs(map, budget);
                            default ->
                                    throw new TemplateException(
                                            "Can only get item pairs from a mapping.");
                        });
    }

    private static Object sum(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("sum", "attribute", "start");
        Object total = bound.value("start", 0L);
        for (Object item : Values.iterate(input, budget)) {
            Object part = part(item, bound, budget);
            total = Operators.binary(Expression.BinaryOperator.ADD, total, part, budget);
        }
        return total;
    }

    private static Object batch(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("batch", "linecount", "fill_with");
        bound.required("linecount");
        return Items.generator("do_batch", budget, () -> batches(input, bound, budget));
    }

    private static List<Object> batches(Object input, CallArguments.Bound bound, Budget budget) {
        long size = bound.integer("linecount", 1);
        Object fill = bound.value("fill_with", None.NONE);
        List<Object> batches = new ArrayList<>();
        List<Object> batch = new ArrayList<>();
        for (Object item : Values.iterate(input, budget)) {
            if (batch.size() == size) {
                batches.add(batch);
                batch = new ArrayList<>();
            }
            budget.step();
            batch.add(item);
        }
        if (!batch.isEmpty()) {
            fill(batch, fill, size, budget);
            batches.add(batch);
        }
        return batches;
    }

    private static void fill(List<Object> items, Object fill, long size, Budget budget) {
        if (fill != None.NONE) {
            budget.items(Math.max(0, size));
            while (items.size() < size) {
                items.add(fill);
            }
        }
    }

    /// Splits the items into columns of nearly equal length, longer columns first.
    private static Object slice(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("slice", "slices", "fill_with");
        bound.required("slices");
        return Items.generator("sync_do_slice", budget, () -> slices(input, bound, budget));
    }

    private static List<Object> slices(Object input, CallArguments.Bound bound, Budget budget) {
        int count = budget.items(bound.integer("slices", 1));
        if (count < 1) {
            throw new TemplateException("slice() needs at least one slice");
        }
        List<Object> items = Values.iterate(input, budget);
        int shortest = items.size() / count;
        int longer = items.size() % count;
        List<Object> slices = new ArrayList<>();
        int from = 0;
        for (int index = 0; index < count; index++) {
            int size = shortest + (index < longer ? 1 : 0);
            List<Object> slice = new ArrayList<>(items.subList(from, from + size));
            from += size;
            if (index >= longer) {
                fill(slice, bound.value("fill_with", None.NONE), size + 1L, budget);
            }
            slices.add(slice);
        }
        return slices;
    }
}
