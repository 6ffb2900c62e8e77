// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.HashMap;
import java.util.Map;

/// All filters by name.
final class Filters {
    private static final Map<String, Filter> BY_NAME = new HashMap<>();

    static {
        BY_NAME.putAll(TextFilters.ALL);
        BY_NAME.putAll(NumberFilters.ALL);
        BY_NAME.putAll(SequenceFilters.ALL);
        BY_NAME.putAll(SelectFilters.ALL);
        BY_NAME.putAll(SortFilters.ALL);
        BY_NAME.put("default", Filters::fallback);
        BY_NAME.put("d", Filters::fallback);
        BY_NAME.put("tojson", JsonWriter::write);
    }

    private Filters() {}

    /// A filter, applied to the value left of `|` with the arguments after the filter's name.
    interface Filter {
        Object apply(Object input, CallArguments arguments, Budget budget);
    }

    static boolean has(String name) {
        return BY_NAME.containsKey(name);
    }

    static Object apply(String name, Object input, CallArguments arguments, Budget budget) {
        Filter filter = BY_NAME.get(name);
        if (filter == null) {
            throw new TemplateException("no filter named '" + name + "'");
        }
        // The filter map may apply itself.
        budget.enter();
        Object result = filter.apply(input, arguments, budget);
        budget.leave();
        return result;
    }

    private static Object fallback(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("default", "default_value", "boolean");
        boolean absent =
                input instanceof Undefined
                        || (bound.truth("boolean", false) && !Values.truth(input));
        return absent ? bound.value("default_value", "") : input;
    }
}
