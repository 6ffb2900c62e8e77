// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The argument values of one call, by position and by name.
record CallArguments(List<Object> positional, Map<String, Object> named) {
    static final CallArguments NONE = new CallArguments(List.of(), Map.of());

    static CallArguments of(Object... values) {
        return new CallArguments(List.of(values), Map.of());
    }

    /// Matches the values to parameter names; throws for too many values and unknown names.
    Bound bind(String function, String... parameters) {
        if (positional.size() > parameters.length) {
            throw new TemplateException(
                    function
                            + "() takes at most "
                            + parameters.length
                            + " arguments ("
                            + positional.size()
                            + " given)");
        }
        Map<String, Object> values = new LinkedHashMap<>();
        for (int index = 0; index < positional.size(); index++) {
            values.put(parameters[index], positional.get(index));
        }
        for (Map.Entry<String, Object> argument : named.entrySet()) {
            if (!List.of(parameters).contains(argument.getKey())) {
                throw new TemplateException(
                        function + "() has no argument '" + argument.getKey() + "'");
            }
            if (values.put(argument.getKey(), argument.getValue()) != null) {
                throw new TemplateException(function + "() got '" + argument.getKey() + "' twice");
            }
        }
        return new Bound(function, values);
    }

    /// Returns the call without its first positional value.
    CallArguments rest() {
        return new CallArguments(positional.subList(1, positional.size()), named);
    }

    /// Returns the same call with one more named value.
    CallArguments with(String name, Object value) {
        Map<String, Object> more = new LinkedHashMap<>(named);
        if (more.put(name, value) != null) {
            throw new TemplateException("argument '" + name + "' given twice");
        }
        return new CallArguments(new ArrayList<>(positional), more);
    }

    /// The values by parameter name, read with the type that the function requires.
    record Bound(String function, Map<String, Object> values) {
        Optional<Object> value(String name) {
            return Optional.ofNullable(values.get(name));
        }

        Object value(String name, Object fallback) {
            return value(name).orElse(fallback);
        }

        Object required(String name) {
            return value(name)
                    .orElseThrow(
                            () ->
                                    new TemplateException(
                                            function + "() needs the argument '" + name + "'"));
        }

        boolean truth(String name, boolean fallback) {
            return value(name).map(Values::truth).orElse(fallback);
        }

        long integer(String name, long fallback) {
            Object value = value(name, fallback);
            if (value instanceof Undefined missing) {
                throw missing.used();
            }
            if (Numbers.widened(value) instanceof Long number) {
                return number;
            }
            throw wrong(name, value, "an integer");
        }

        String text(String name, String fallback) {
            Object value = value(name, fallback);
            return switch (value) {
                case String text -> text;
                case Markup markup -> markup.text();
                case Undefined missing -> throw missing.used();
                default -> throw wrong(name, value, "a string");
            };
        }

        /// Returns a text, or nothing if the argument is absent or none.
        Optional<String> optionalText(String name) {
            return value(name, None.NONE) == None.NONE
                    ? Optional.empty()
                    : Optional.of(text(name, ""));
        }

        private TemplateException wrong(String name, Object value, String wanted) {
            return new TemplateException(
                    function
                            + "() argument '"
                            + name
                            + "' must be "
                            + wanted
                            + ", not "
                            + Values.typeName(value));
        }
    }
}
