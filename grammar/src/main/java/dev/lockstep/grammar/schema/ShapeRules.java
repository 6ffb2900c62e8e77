// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Writes the rules of formulas, each once.
final class ShapeRules {
    /// The most white space between two tokens.
    private static final int MAX_SPACE = 128;

    private final Expansion expansion;
    private final SchemaLimits limits;
    private final Layout layout;
    private final Regex space;
    private final Map<String, Expression> rules = new LinkedHashMap<>();
    private final Map<Formula, Expression.Reference> names = new HashMap<>();
    private final Deque<Formula> open = new ArrayDeque<>();

    ShapeRules(Expansion expansion, SchemaLimits limits, Layout layout) {
        this.expansion = expansion;
        this.limits = limits;
        this.layout = layout;
        this.space =
                layout == Layout.COMPACT
                        ? Language.EMPTY
                        : Language.repeat(anyOf(" \t\n\r"), 0, MAX_SPACE);
    }

    private static Regex anyOf(String characters) {
        var set = new BitSet();
        characters.chars().forEach(set::set);
        return new Regex.Bytes(set);
    }

    Grammar grammar(Formula start) {
        Expression.Reference first = reference(start);
        while (!open.isEmpty()) {
            Formula formula = open.remove();
            String name = reference(formula).rule();
            add(name, expression(name, expansion.of(formula)));
        }
        return new Grammar(rules, first.rule());
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
        Expression.Reference reference = names.get(formula);
        if (reference == null) {
            reference = new Expression.Reference("v" + names.size());
            names.put(formula, reference);
            open.add(formula);
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

    private Expression expression(String name, Value value) {
        var options = new ArrayList<Expression>();
        Regex scalars = value.scalars();
        if (!scalars.equals(Language.NOTHING)) {
            options.add(new Expression.Terminal(scalars));
        }
        for (int i = 0; i < value.arrays().size(); i++) {
            options.add(new ArrayRules(this, name + "a" + i, value.arrays().get(i)).expression());
        }
        for (int i = 0; i < value.objects().size(); i++) {
            options.add(new ObjectRules(this, name + "o" + i, value.objects().get(i)).expression());
        }
        return options.size() == 1 ? options.getFirst() : new Expression.Choice(options);
    }

    /// A token and the white space that may follow it.
    Expression.Terminal opening(String token) {
        return new Expression.Terminal(Language.sequence(Language.text(token), space));
    }

    /// Two brackets with nothing but white space between them.
    Regex empty(String opening, String closing) {
        return Language.sequence(Language.text(opening), space, Language.text(closing));
    }

    /// A token and the white space that may stand before it.
    Expression.Terminal closing(String token) {
        return new Expression.Terminal(Language.sequence(space, Language.text(token)));
    }

    Expression.Terminal comma() {
        return new Expression.Terminal(Language.sequence(space, Language.text(","), space));
    }

    /// A key with its colon.
    Expression.Terminal key(Regex keys) {
        return new Expression.Terminal(Language.sequence(keys, space, Language.text(":"), space));
    }

    static Expression sequence(Expression... items) {
        return new Expression.Sequence(List.of(items));
    }
}
