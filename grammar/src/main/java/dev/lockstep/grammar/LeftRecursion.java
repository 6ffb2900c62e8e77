// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import dev.lockstep.grammar.ExpressionNode.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/// Rewrites rules that begin with themselves, at once or through others: `a = a x | b` becomes `a =
/// b x*`. The texts stay the same.
final class LeftRecursion {
    /// An option as its first item and the rest.
    private record Option(ExpressionNode head, ExpressionNode tail) {}

    private final ExpressionArena arena;
    private final ExpressionNode[] rules;
    private final List<String> names;
    private final List<Set<Integer>> beginnings = new ArrayList<>();
    private final List<Set<Integer>> hidden = new ArrayList<>();

    /// Rewrites `rules` in place.
    LeftRecursion(
            ExpressionArena arena,
            ExpressionNode[] rules,
            List<String> names,
            RuleAnalysis analysis) {
        this.arena = arena;
        this.rules = rules;
        this.names = names;
        for (ExpressionNode rule : rules) {
            Set<Integer> behind = new LinkedHashSet<>();
            beginnings.add(analysis.beginnings(rule, behind));
            hidden.add(behind);
        }
    }

    /// Whether any rule was rewritten.
    boolean eliminate() {
        boolean any = false;
        boolean[] done = new boolean[rules.length];
        for (int i = 0; i < rules.length; i++) {
            if (!done[i] && !beginnings.get(i).isEmpty()) {
                Set<Integer> cycle = cycleOf(i);
                if (!cycle.isEmpty()) {
                    eliminate(new ArrayList<>(cycle));
                    any = true;
                }
                for (int each : cycle) {
                    done[each] = true;
                }
            }
        }
        return any;
    }

    /// The rules that this one begins with and that begin with it; none if it does not begin with
    /// itself.
    private Set<Integer> cycleOf(int start) {
        Set<Integer> cycle = new LinkedHashSet<>();
        Set<Integer> reached = reached(start);
        if (reached.contains(start)) {
            for (int each : reached) {
                if (each == start || reached(each).contains(start)) {
                    cycle.add(each);
                }
            }
        }
        return cycle;
    }

    private Set<Integer> reached(int start) {
        Set<Integer> reached = new LinkedHashSet<>();
        Deque<Integer> open = new ArrayDeque<>(beginnings.get(start));
        while (!open.isEmpty()) {
            int next = open.pop();
            arena.budget.work(1);
            if (reached.add(next)) {
                open.addAll(beginnings.get(next));
            }
        }
        return reached;
    }

    private void eliminate(List<Integer> cycle) {
        Set<Integer> members = new HashSet<>(cycle);
        for (int rule : cycle) {
            for (int each : hidden.get(rule)) {
                if (members.contains(each)) {
                    throw new GrammarException(
                            "rule %s begins with itself behind something that may be empty"
                                    .formatted(names.get(rule)));
                }
            }
        }
        Set<Integer> before = new HashSet<>();
        for (int rule : cycle) {
            List<Option> own = new ArrayList<>();
            List<ExpressionNode> repeated = new ArrayList<>();
            List<ExpressionNode> others = new ArrayList<>();
            expand(new Option(rules[rule], arena.empty), before, members, own);
            for (Option option : own) {
                if (option.head.kind == Kind.REFERENCE && option.head.number == rule) {
                    repeated.add(option.tail);
                } else {
                    others.add(arena.sequence(option.head, option.tail));
                }
            }
            repeated.removeIf(each -> each == arena.empty);
            ExpressionNode once = arena.choice(others);
            rules[rule] =
                    repeated.isEmpty()
                            ? once
                            : arena.sequence(
                                    once, arena.repeat(arena.choice(repeated), 0, Regex.UNBOUNDED));
            before.add(rule);
        }
    }

    /// Opens an option until it begins with no rule of `before` and each rule of `members` at its
    /// beginning is its head.
    private void expand(
            Option start, Set<Integer> before, Set<Integer> members, List<Option> results) {
        Deque<Option> open = new ArrayDeque<>();
        open.push(start);
        while (!open.isEmpty()) {
            Option option = open.pop();
            ExpressionNode head = option.head;
            arena.budget.work(1);
            switch (head.kind) {
                case EMPTY -> {
                    if (option.tail == arena.empty) {
                        results.add(option);
                    } else {
                        ExpressionNode tail = option.tail;
                        boolean sequence = tail.kind == Kind.SEQUENCE;
                        open.push(
                                sequence
                                        ? new Option(tail.head(), tail.tail())
                                        : new Option(tail, arena.empty));
                    }
                }
                case TERMINAL, SPECIAL -> results.add(option);
                case REFERENCE -> {
                    if (before.contains(head.number)) {
                        open.push(new Option(rules[head.number], option.tail));
                    } else {
                        results.add(option);
                    }
                }
                case SEQUENCE ->
                        open.push(
                                new Option(head.head(), arena.sequence(head.tail(), option.tail)));
                case CHOICE -> {
                    for (ExpressionNode each : List.of(head.items).reversed()) {
                        open.push(new Option(each, option.tail));
                    }
                }
                case REPEAT -> {
                    if (beginsWith(head.head(), members)) {
                        if (head.number == 0) {
                            open.push(new Option(arena.empty, option.tail));
                        }
                        ExpressionNode rest = arena.afterOne(head);
                        open.push(new Option(head.head(), arena.sequence(rest, option.tail)));
                    } else {
                        results.add(option);
                    }
                }
            }
        }
    }

    private boolean beginsWith(ExpressionNode node, Set<Integer> members) {
        for (int each : new RuleAnalysis(arena, rules).beginnings(node, null)) {
            if (members.contains(each)) {
                return true;
            }
        }
        return false;
    }
}
