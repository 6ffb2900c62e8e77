// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/// The functions that every template may call.
final class Globals {
    private final Budget budget;
    private final Supplier<LocalDateTime> now;

    Globals(Budget budget, Supplier<LocalDateTime> now) {
        this.budget = budget;
        this.now = now;
    }

    void define(Scope scope) {
        scope.assign("range", Function.named("safe_range", this::range));
        scope.assign("dict", new Function("<class 'dict'>", this::dict));
        define(scope, "namespace", "Namespace", this::namespace);
        define(scope, "joiner", "Joiner", this::joiner);
        define(scope, "cycler", "Cycler", this::cycler);
        scope.assign("raise_exception", Function.named("raise_exception", this::raise));
        scope.assign("strftime_now", Function.named("strftime_now", this::strftimeNow));
    }

    private static void define(Scope scope, String name, String type, Callable function) {
        scope.assign(name, new Function("<class 'jinja2.utils." + type + "'>", function));
    }

    private Object range(CallArguments arguments) {
        int count = arguments.positional().size();
        CallArguments.Bound bound =
                count < 2
                        ? arguments.bind("range", "stop")
                        : arguments.bind("range", "start", "stop", "step");
        bound.required("stop");
        return new Range(
                bound.integer("start", 0),
                bound.integer("stop", 0),
                bound.integer("step", 1),
                budget);
    }

    private Object dict(CallArguments arguments) {
        Map<Object, Object> dict = new LinkedHashMap<>();
        fill(dict, arguments, "dict");
        return dict;
    }

    private Object namespace(CallArguments arguments) {
        Map<Object, Object> attributes = new LinkedHashMap<>();
        fill(attributes, arguments, "namespace");
        var namespace = new Namespace();
        attributes.forEach(
                (name, value) -> namespace.attributes().put(Text.of(name, budget), value));
        return namespace;
    }

    /// Fills a dict from one mapping or list of pairs, then from the named arguments.
    private void fill(Map<Object, Object> into, CallArguments arguments, String function) {
        var positional = new CallArguments(arguments.positional(), Map.of());
        Object source = positional.bind(function, "mapping").value("mapping", Map.of());
        if (source instanceof Map<?, ?> map) {
            into.putAll(map);
        } else {
            for (Object pair : Values.iterate(source, budget)) {
                List<Object> parts = Values.iterate(pair, budget);
                if (parts.size() != 2) {
                    throw new TemplateException(function + "() needs pairs of key and value");
                }
                into.put(Values.key(parts.get(0), budget), parts.get(1));
            }
        }
        into.putAll(arguments.named());
        budget.items(into.size());
    }

    private Object raise(CallArguments arguments) {
        Object message = arguments.bind("raise_exception", "message").required("message");
        throw new TemplateException(Text.of(message, budget));
    }

    private Object strftimeNow(CallArguments arguments) {
        CallArguments.Bound bound = arguments.bind("strftime_now", "format");
        bound.required("format");
        return Strftime.format(now.get(), bound.text("format", ""), budget);
    }

    private Object joiner(CallArguments arguments) {
        return new Joiner(arguments.bind("joiner", "sep").value("sep", ", "));
    }

    private Object cycler(CallArguments arguments) {
        if (!arguments.named().isEmpty()) {
            throw new TemplateException("cycler() takes no named arguments");
        }
        return new Cycler(arguments.positional());
    }
}
