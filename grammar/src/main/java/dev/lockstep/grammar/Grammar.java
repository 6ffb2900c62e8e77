// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Rules by name, and the rule that a whole text must match.
public record Grammar(Map<String, Expression> rules, String start) {
    public Grammar {
        rules = Map.copyOf(rules);
        if (!rules.containsKey(start)) {
            throw new IllegalArgumentException("a grammar without its first rule " + start);
        }
    }

    /// A grammar of one rule, which refers to none.
    public static Grammar of(Expression whole) {
        return new Grammar(Map.of("whole", whole), "whole");
    }

    /// Returns the grammar with other names: this one before each.
    public Grammar named(String prefix) {
        Map<String, Expression> renamed = new HashMap<>();
        rules.forEach((name, rule) -> renamed.put(prefix + name, named(rule, prefix)));
        return new Grammar(renamed, prefix + start);
    }

    private static Expression named(Expression rule, String prefix) {
        return switch (rule) {
            case Expression.Terminal terminal -> terminal;
            case Expression.Special special -> special;
            case Expression.Sequence(List<Expression> items) ->
                    new Expression.Sequence(
                            items.stream().map(item -> named(item, prefix)).toList());
            case Expression.Choice(List<Expression> options) ->
                    new Expression.Choice(
                            options.stream().map(option -> named(option, prefix)).toList());
            case Expression.Repeat(Expression item, int min, int max) ->
                    new Expression.Repeat(named(item, prefix), min, max);
            case Expression.Reference(String name) -> Expression.reference(prefix + name);
        };
    }
}
