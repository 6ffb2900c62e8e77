// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Node.MacroDefinition;
import dev.lockstep.text.jinja.Node.Parameter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// A macro with the scope of its definition; calling it yields the text of its body.
final class Macro implements Callable {
    private final MacroDefinition definition;
    private final Scope around;
    private final Interpreter interpreter;

    Macro(MacroDefinition definition, Scope around, Interpreter interpreter) {
        this.definition = definition;
        this.around = around;
        this.interpreter = interpreter;
    }

    String name() {
        return definition.name();
    }

    Object attribute(String name) {
        return switch (name) {
            case "name" -> name();
            case "arguments" -> {
                List<Object> names = new ArrayList<>();
                definition.signature().parameters().forEach(each -> names.add(each.name()));
                yield new Tuple(names);
            }
            case "catch_kwargs" -> definition.signature().takesExtraNamed();
            case "catch_varargs" -> definition.signature().takesExtraPositional();
            case "caller" -> definition.signature().takesCaller();
            default -> Undefined.attribute(this, name);
        };
    }

    @Override
    public Object call(CallArguments arguments) {
        return interpreter.called(() -> expand(arguments));
    }

    private String expand(CallArguments arguments) {
        Scope scope = around.inner();
        Map<String, Object> named = new LinkedHashMap<>(arguments.named());
        List<Parameter> parameters = definition.signature().parameters();
        int given = Math.min(parameters.size(), arguments.positional().size());
        for (int index = 0; index < parameters.size(); index++) {
            Parameter parameter = parameters.get(index);
            Object byName = named.remove(parameter.name());
            if (byName != null && index < given) {
                throw new TemplateException(
                        "macro '" + name() + "' got the argument '" + parameter.name() + "' twice");
            }
            scope.assign(
                    parameter.name(),
                    argument(
                            parameter,
                            index < given ? arguments.positional().get(index) : byName,
                            scope));
        }
        extra(arguments.positional().subList(given, arguments.positional().size()), named, scope);
        return interpreter.capture(definition.body(), scope);
    }

    private Object argument(Parameter parameter, @Nullable Object given, Scope scope) {
        if (given != null) {
            return given;
        }
        return parameter
                .fallback()
                .map(fallback -> interpreter.evaluate(fallback, scope))
                .orElseGet(
                        () ->
                                new Undefined(
                                        "parameter '" + parameter.name() + "' was not provided"));
    }

    private void extra(List<Object> positional, Map<String, Object> named, Scope scope) {
        Node.Signature signature = definition.signature();
        if (signature.takesCaller()) {
            Object caller = named.remove("caller");
            scope.assign("caller", caller == null ? new Undefined("No caller defined") : caller);
        }
        if (signature.takesExtraNamed()) {
            scope.assign("kwargs", new LinkedHashMap<Object, Object>(named));
        } else if (!named.isEmpty()) {
            throw new TemplateException(
                    "macro '"
                            + name()
                            + "' takes no keyword argument '"
                            + named.keySet().iterator().next()
                            + "'");
        }
        if (signature.takesExtraPositional()) {
            scope.assign("varargs", new Tuple(List.copyOf(positional)));
        } else if (!positional.isEmpty()) {
            throw new TemplateException(
                    "macro '"
                            + name()
                            + "' takes not more than "
                            + signature.parameters().size()
                            + " argument(s)");
        }
    }
}
