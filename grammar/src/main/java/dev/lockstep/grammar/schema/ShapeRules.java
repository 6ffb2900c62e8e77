// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Writes the rules of formulas, each once.
final class ShapeRules {
    private final Expansion expansion;
    private final SchemaLimits limits;
    private final Layout layout;
    private final ValueWriter writer;
    private final String prefix;
    private final Map<String, Expression> rules = new LinkedHashMap<>();
    private final Map<Wanted, Expression.Reference> names = new HashMap<>();
    private final Deque<Wanted> open = new ArrayDeque<>();

    /// @param strings whether what is written may be a string
    private record Wanted(Formula formula, boolean strings) {}

    /// @param prefix of the rules' names
    ShapeRules(
            Expansion expansion,
            SchemaLimits limits,
            Layout layout,
            ValueWriter writer,
            String prefix) {
        this.expansion = expansion;
        this.limits = limits;
        this.layout = layout;
        this.writer = writer;
        this.prefix = prefix;
    }

    Grammar grammar(Formula start) {
        Expression.Reference first = reference(start);
        return new Grammar(finished(), first.rule());
    }

    /// Writes what is open and returns all rules.
    Map<String, Expression> finished() {
        while (!open.isEmpty()) {
            Wanted wanted = open.remove();
            String name = reference(wanted).rule();
            Value value = expansion.of(wanted.formula);
            add(name, expression(name, wanted.strings ? value : withoutStrings(value)));
        }
        return rules;
    }

    ValueWriter writer() {
        return writer;
    }

    Layout layout() {
        return layout;
    }

    Expansion expansion() {
        return expansion;
    }

    SchemaLimits limits() {
        return limits;
    }

    Expression.Reference reference(Formula formula) {
        return reference(new Wanted(formula, true));
    }

    /// What a formula allows but for strings; empty if it allows nothing else.
    Optional<Expression> withoutStrings(Formula formula) {
        return withoutStrings(expansion.of(formula)).isEmpty(expansion)
                ? Optional.empty()
                : Optional.of(reference(new Wanted(formula, false)));
    }

    private static Value withoutStrings(Value value) {
        return value.withString(Language.NOTHING);
    }

    private Expression.Reference reference(Wanted wanted) {
        Expression.Reference reference = names.get(wanted);
        if (reference == null) {
            reference = new Expression.Reference(prefix + "v" + names.size());
            names.put(wanted, reference);
            open.add(wanted);
        }
        return reference;
    }

    void add(String name, Expression expression) {
        if (rules.size() == limits.rules()) {
            throw new SchemaException(
                    "$schema", "", "the grammar has more than %d rules".formatted(limits.rules()));
        }
        rules.put(name, expression);
    }

    private Expression expression(String name, Value all) {
        Value value = writer.writable(all);
        var options = new ArrayList<Expression>(writer.scalars(value));
        for (int i = 0; i < value.arrays().size(); i++) {
            options.add(new ArrayRules(this, name + "a" + i, value.arrays().get(i)).expression());
        }
        for (int i = 0; i < value.objects().size(); i++) {
            options.add(new ObjectRules(this, name + "o" + i, value.objects().get(i)).expression());
        }
        return options.size() == 1 ? options.getFirst() : new Expression.Choice(options);
    }

    Expression member(Optional<String> name, Regex keys, Formula value) {
        return writer.member(this, name, keys, value);
    }

    static Expression sequence(Expression... items) {
        return new Expression.Sequence(List.of(items));
    }
}
