// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import dev.lockstep.grammar.ExpressionNode.Kind;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/// Takes what matches no text out of rules, so that whatever can be begun can be ended.
final class UselessRules {
    private final ExpressionArena arena;
    private final Map<ExpressionNode, ExpressionNode> results = new HashMap<>();
    private boolean[] productive = {};

    UselessRules(ExpressionArena arena) {
        this.arena = arena;
    }

    ExpressionNode[] removed(ExpressionNode[] rules) {
        productive = new RuleAnalysis(arena, rules).productive();
        boolean all = true;
        for (boolean each : productive) {
            all &= each;
        }
        ExpressionNode[] remaining = rules.clone();
        for (int i = 0; i < rules.length && !all; i++) {
            remaining[i] = productive[i] ? rebuilt(rules[i]) : arena.nothing;
        }
        return remaining;
    }

    private ExpressionNode rebuilt(ExpressionNode node) {
        ExpressionNode known = results.get(node);
        if (known != null) {
            return known;
        }
        ExpressionNode result =
                switch (node.kind) {
                    case EMPTY, TERMINAL, SPECIAL -> node;
                    case REFERENCE -> productive[node.number] ? node : arena.nothing;
                    case REPEAT -> arena.repeat(rebuilt(node.head()), node.number, node.max);
                    case SEQUENCE -> {
                        List<ExpressionNode> spine = new ArrayList<>();
                        ExpressionNode rest = node;
                        while (rest.kind == Kind.SEQUENCE) {
                            spine.add(rebuilt(rest.head()));
                            rest = rest.tail();
                        }
                        ExpressionNode tail = rebuilt(rest);
                        for (ExpressionNode each : spine.reversed()) {
                            tail = arena.sequence(each, tail);
                        }
                        yield tail;
                    }
                    case CHOICE -> {
                        List<ExpressionNode> options = new ArrayList<>();
                        for (ExpressionNode option : node.items) {
                            options.add(rebuilt(option));
                        }
                        yield arena.choice(options);
                    }
                };
        results.put(node, result);
        return result;
    }
}
