// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import dev.lockstep.grammar.ExpressionNode.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What follows from the rules of a grammar as a whole: which may be empty, which match anything,
/// and which begin with each other.
final class RuleAnalysis {
    private final ExpressionArena arena;

    /// By index; a reference names one.
    private final ExpressionNode[] rules;

    private final boolean[] nullable;

    RuleAnalysis(ExpressionArena arena, ExpressionNode[] rules) {
        this.arena = arena;
        this.rules = rules;
        this.nullable = new boolean[rules.length];
    }

    /// Sets [ExpressionNode#nullable] of all that the rules hold.
    void findNullable() {
        boolean changed = true;
        while (changed) {
            changed = false;
            Map<ExpressionNode, Boolean> seen = new HashMap<>();
            for (int i = rules.length - 1; i >= 0; i--) {
                boolean now = truth(rules[i], nullable, true, seen);
                changed |= now != nullable[i];
                nullable[i] = now;
            }
            seen.forEach((node, value) -> node.nullable = value);
        }
    }

    /// Which rules match any text.
    boolean[] productive() {
        boolean[] productive = new boolean[rules.length];
        boolean changed = true;
        while (changed) {
            changed = false;
            Map<ExpressionNode, Boolean> seen = new HashMap<>();
            for (int i = rules.length - 1; i >= 0; i--) {
                boolean now = truth(rules[i], productive, false, seen);
                changed |= now != productive[i];
                productive[i] = now;
            }
        }
        return productive;
    }

    /// Whether an expression may be empty, or else matches any text, if that is so of the rules.
    private boolean truth(
            ExpressionNode node,
            boolean[] ofRules,
            boolean empty,
            Map<ExpressionNode, Boolean> seen) {
        Boolean known = seen.get(node);
        if (known != null) {
            return known;
        }
        arena.budget.work(1);
        boolean result =
                switch (node.kind) {
                    case EMPTY -> true;
                    case TERMINAL -> !empty || node.nullable;
                    case SPECIAL -> !empty;
                    case REFERENCE -> ofRules[node.number];
                    case REPEAT -> {
                        boolean item = truth(node.head(), ofRules, empty, seen);
                        yield item || node.number == 0;
                    }
                    case SEQUENCE -> {
                        ExpressionNode rest = node;
                        List<ExpressionNode> passed = new ArrayList<>();
                        while (rest.kind == Kind.SEQUENCE && !seen.containsKey(rest)) {
                            passed.add(rest);
                            truth(rest.head(), ofRules, empty, seen);
                            rest = rest.tail();
                        }
                        boolean all = truth(rest, ofRules, empty, seen);
                        for (ExpressionNode each : passed.reversed()) {
                            all &= truth(each.head(), ofRules, empty, seen);
                            seen.put(each, all);
                        }
                        yield all;
                    }
                    case CHOICE -> {
                        boolean any = false;
                        for (ExpressionNode option : node.items) {
                            any |= truth(option, ofRules, empty, seen);
                        }
                        yield any;
                    }
                };
        seen.put(node, result);
        return result;
    }

    /// The rules that an expression may begin with, before any byte.
    ///
    /// @param hidden gets those of them that come after something that may be empty; null for none
    Set<Integer> beginnings(ExpressionNode start, @Nullable Set<Integer> hidden) {
        Set<Integer> rulesAtBegin = new LinkedHashSet<>();
        Set<ExpressionNode> visible = new HashSet<>();
        Set<ExpressionNode> covered = new HashSet<>();
        Deque<ExpressionNode> work = new ArrayDeque<>();
        Deque<Boolean> after = new ArrayDeque<>();
        work.push(start);
        after.push(false);
        while (!work.isEmpty()) {
            ExpressionNode node = work.pop();
            boolean behind = after.pop();
            arena.budget.work(1);
            if (!(behind ? covered : visible).add(node)) {
                continue;
            }
            switch (node.kind) {
                case EMPTY, TERMINAL, SPECIAL -> {}
                case REFERENCE -> {
                    rulesAtBegin.add(node.number);
                    if (behind && hidden != null) {
                        hidden.add(node.number);
                    }
                }
                case SEQUENCE -> {
                    work.push(node.head());
                    after.push(behind);
                    if (node.head().nullable) {
                        work.push(node.tail());
                        after.push(true);
                    }
                }
                case REPEAT -> {
                    work.push(node.head());
                    after.push(behind);
                    if (node.head().nullable && node.max != 1) {
                        work.push(node.head());
                        after.push(true);
                    }
                }
                case CHOICE -> {
                    for (ExpressionNode option : node.items) {
                        work.push(option);
                        after.push(behind);
                    }
                }
            }
        }
        return rulesAtBegin;
    }

    /// Refuses rules that begin with themselves.
    void requireNoLeftRecursion() {
        int[] state = new int[rules.length];
        for (int start = 0; start < rules.length; start++) {
            if (state[start] == 0) {
                visit(start, state);
            }
        }
    }

    private void visit(int start, int[] state) {
        List<Integer> path = new ArrayList<>();
        List<Deque<Integer>> open = new ArrayList<>();
        path.add(start);
        open.add(new ArrayDeque<>(beginnings(rules[start], null)));
        state[start] = 1;
        while (!path.isEmpty()) {
            Integer next = open.getLast().poll();
            if (next == null) {
                state[path.removeLast()] = 2;
                open.removeLast();
            } else if (state[next] == 1) {
                throw new GrammarException("rule %d begins with itself".formatted(next));
            } else if (state[next] == 0) {
                state[next] = 1;
                path.add(next);
                open.add(new ArrayDeque<>(beginnings(rules[next], null)));
            }
        }
    }
}
