// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

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
}
