// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.ArgumentList;
import dev.lockstep.text.jinja.Expression.Compared;
import dev.lockstep.text.jinja.Expression.Entry;
import dev.lockstep.text.jinja.Expression.FilterCall;
import dev.lockstep.text.jinja.Expression.Named;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// An evaluator of expressions; one per rendering, used by one thread.
final class Evaluator {
    private final Budget budget;

    Evaluator(Budget budget) {
        this.budget = budget;
    }

    Object evaluate(Expression expression, Scope scope) {
        try {
            budget.enter();
            // A sum nests as deeply as it is long: it avoids the large stack frame of the switch.
            Object value =
                    expression instanceof Expression.Binary binary
                            ? binary(binary, scope)
                            : value(expression, scope);
            budget.leave();
            return value;
        } catch (TemplateException failure) {
            throw failure.at(expression.line());
        }
    }

    private Object value(Expression expression, Scope scope) {
        return switch (expression) {
            case Expression.Literal literal -> literal.value();
            case Expression.Name name -> scope.lookup(name.name());
            case Expression.Attribute part ->
                    Access.attribute(evaluate(part.object(), scope), part.name(), budget);
            case Expression.Item part ->
                    Access.item(
                            evaluate(part.object(), scope), evaluate(part.key(), scope), budget);
            case Expression.Slice slice ->
                    Access.slice(
                            evaluate(slice.object(), scope),
                            optional(slice.start(), scope),
                            optional(slice.stop(), scope),
                            optional(slice.step(), scope),
                            budget);
            case Expression.Call call ->
                    call(evaluate(call.callee(), scope), arguments(call.arguments(), scope));
            case Expression.Filtered filtered ->
                    filter(evaluate(filtered.input(), scope), filtered.filter(), scope);
            case Expression.Tested tested ->
                    Tests.apply(
                            tested.test(),
                            evaluate(tested.input(), scope),
                            arguments(tested.arguments(), scope),
                            budget);
            case Expression.Unary unary ->
                    Operators.unary(unary.operator(), evaluate(unary.operand(), scope));
            case Expression.Binary binary -> binary(binary, scope);
            case Expression.Concatenation concatenation -> {
                var joined = new Output(budget);
                for (Expression part : concatenation.parts()) {
                    joined.append(Text.of(evaluate(part, scope), budget));
                }
                yield joined.toString();
            }
            case Expression.Comparison comparison -> compare(comparison, scope);
            case Expression.And and -> {
                Object left = evaluate(and.left(), scope);
                yield Values.truth(left) ? evaluate(and.right(), scope) : left;
            }
            case Expression.Or or -> {
                Object left = evaluate(or.left(), scope);
                yield Values.truth(left) ? left : evaluate(or.right(), scope);
            }
            case Expression.Conditional conditional -> conditional(conditional, scope);
            case Expression.ListLiteral list -> all(list.items(), scope);
            case Expression.TupleLiteral tuple -> new Tuple(all(tuple.items(), scope));
            case Expression.DictLiteral dict -> {
                Map<Object, Object> entries = new LinkedHashMap<>();
                for (Entry entry : dict.entries()) {
                    Object key = Values.key(evaluate(entry.key(), scope), budget);
                    entries.put(key, evaluate(entry.value(), scope));
                }
                yield entries;
            }
        };
    }

    private Object binary(Expression.Binary binary, Scope scope) {
        return Operators.binary(
                binary.operator(),
                evaluate(binary.left(), scope),
                evaluate(binary.right(), scope),
                budget);
    }

    private Object optional(Optional<Expression> expression, Scope scope) {
        return expression.map(present -> evaluate(present, scope)).orElse(None.NONE);
    }

    private List<Object> all(List<Expression> expressions, Scope scope) {
        List<Object> values = new ArrayList<>(expressions.size());
        for (Expression each : expressions) {
            values.add(evaluate(each, scope));
        }
        return values;
    }

    private boolean compare(Expression.Comparison comparison, Scope scope) {
        Object left = evaluate(comparison.first(), scope);
        for (Compared next : comparison.rest()) {
            Object right = evaluate(next.operand(), scope);
            if (!Operators.compare(next.operator(), left, right, budget)) {
                return false;
            }
            left = right;
        }
        return true;
    }

    private Object conditional(Expression.Conditional conditional, Scope scope) {
        if (Values.truth(evaluate(conditional.condition(), scope))) {
            return evaluate(conditional.value(), scope);
        }
        return conditional
                .otherwise()
                .map(otherwise -> evaluate(otherwise, scope))
                .orElseGet(
                        () ->
                                new Undefined(
                                        "the inline if-expression on line "
                                                + conditional.line()
                                                + " evaluated to false and no else section was defined."));
    }

    Object filter(Object input, FilterCall filter, Scope scope) {
        try {
            return Filters.apply(
                    filter.name(), input, arguments(filter.arguments(), scope), budget);
        } catch (TemplateException failure) {
            throw failure.at(filter.line());
        }
    }

    /// Calls a macro and passes the block as `caller`.
    Object call(Expression.Call call, Macro caller, Scope scope) {
        Object callee = evaluate(call.callee(), scope);
        return call(callee, arguments(call.arguments(), scope).with("caller", caller));
    }

    private static Object call(Object callee, CallArguments arguments) {
        return switch (callee) {
            case Undefined missing -> throw missing.used();
            case Callable callable -> callable.call(arguments);
            default ->
                    throw new TemplateException(
                            "'" + Values.typeName(callee) + "' object is not callable");
        };
    }

    private CallArguments arguments(ArgumentList list, Scope scope) {
        if (list.isEmpty()) {
            return CallArguments.NONE;
        }
        List<Object> positional = all(list.positional(), scope);
        Map<String, Object> named = new LinkedHashMap<>();
        for (Named each : list.named()) {
            name(named, each.name(), evaluate(each.value(), scope));
        }
        list.star()
                .ifPresent(
                        star -> positional.addAll(Values.iterate(evaluate(star, scope), budget)));
        list.doubleStar().ifPresent(star -> spread(evaluate(star, scope), named));
        budget.items(positional.size());
        return new CallArguments(positional, named);
    }

    private void spread(Object value, Map<String, Object> named) {
        if (!(value instanceof Map<?, ?> map)) {
            throw new TemplateException(
                    "argument after ** must be a mapping, not " + Values.typeName(value));
        }
        map.forEach((key, each) -> name(named, Text.of(key, budget), each));
    }

    private static void name(Map<String, Object> named, String name, Object value) {
        if (named.put(name, value) != null) {
            throw new TemplateException("argument '" + name + "' given twice");
        }
    }
}
