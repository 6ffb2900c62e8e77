// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/// Brings a grammar into normal form: useless rules are gone, no rule begins with itself, and the
/// first rule has index 0.
final class GrammarCompiler {
    private final Grammar grammar;
    private final Budget budget;

    /// Rules that the first one needs, each after those it refers to as far as it can be.
    private final List<String> order = new ArrayList<>();

    private final Map<String, Integer> indexes = new HashMap<>();
    private final Set<BitSet> sets = new LinkedHashSet<>();
    private final IdentityHashMap<Regex, RegexNode> regexes = new IdentityHashMap<>();
    private final IdentityHashMap<Expression, ExpressionNode> expressions = new IdentityHashMap<>();

    GrammarCompiler(Grammar grammar, GrammarLimits limits) {
        this.grammar = grammar;
        this.budget = new Budget(limits);
    }

    NormalGrammar compile() {
        collect();
        var arena = new ExpressionArena(new RegexArena(budget, sets));
        ExpressionNode[] rules = new ExpressionNode[order.size()];
        for (int i = 0; i < rules.length; i++) {
            String name = order.get(i);
            rules[i] =
                    expression(Objects.requireNonNull(grammar.rules().get(name)), arena, rules, 0);
        }
        int start = rules.length - 1;
        rules = new UselessRules(arena).removed(rules);
        if (rules[start] == arena.nothing) {
            throw new GrammarException("the grammar matches nothing");
        }
        var analysis = new RuleAnalysis(arena, rules);
        analysis.findNullable();
        if (new LeftRecursion(arena, rules, order, analysis).eliminate()) {
            analysis.findNullable();
        }
        return new NormalGrammar(arena, rules, start);
    }

    /// Finds the rules that are needed, what they refer to first, and all sets of bytes.
    private void collect() {
        Deque<String> open = new ArrayDeque<>();
        Set<String> seen = new LinkedHashSet<>();
        IdentityHashMap<Object, Boolean> visited = new IdentityHashMap<>();
        open.push(grammar.start());
        while (!open.isEmpty()) {
            String name = open.peek();
            if (seen.add(name)) {
                Expression rule = grammar.rules().get(name);
                if (rule == null) {
                    throw new GrammarException("the grammar has no rule " + name);
                }
                Set<String> references = new LinkedHashSet<>();
                collect(rule, references, visited, 0);
                for (String each : references) {
                    if (!seen.contains(each)) {
                        open.push(each);
                    }
                }
            } else {
                open.pop();
                if (indexes.putIfAbsent(name, order.size()) == null) {
                    order.add(name);
                }
            }
        }
    }

    private void collect(
            Expression expression,
            Set<String> references,
            IdentityHashMap<Object, Boolean> visited,
            int depth) {
        budget.work(1);
        budget.checkDepth(depth);
        switch (expression) {
            case Expression.Terminal terminal -> collect(terminal.regex(), visited, depth + 1);
            case Expression.Special _ -> {}
            case Expression.Sequence sequence -> {
                for (Expression item : sequence.items()) {
                    collect(item, references, visited, depth + 1);
                }
            }
            case Expression.Choice choice -> {
                for (Expression option : choice.options()) {
                    collect(option, references, visited, depth + 1);
                }
            }
            case Expression.Repeat repeat -> collect(repeat.item(), references, visited, depth + 1);
            case Expression.Reference reference -> references.add(reference.rule());
        }
    }

    private void collect(Regex regex, IdentityHashMap<Object, Boolean> visited, int depth) {
        if (visited.put(regex, true) != null) {
            return;
        }
        budget.work(1);
        budget.checkDepth(depth);
        switch (regex) {
            case Regex.Bytes bytes -> sets.add(bytes.set());
            case Regex.Sequence sequence -> {
                for (Regex item : sequence.items()) {
                    collect(item, visited, depth + 1);
                }
            }
            case Regex.Union union -> {
                for (Regex option : union.options()) {
                    collect(option, visited, depth + 1);
                }
            }
            case Regex.Intersection intersection -> {
                for (Regex each : intersection.all()) {
                    collect(each, visited, depth + 1);
                }
            }
            case Regex.Complement complement -> collect(complement.of(), visited, depth + 1);
            case Regex.Repeat repeat -> collect(repeat.item(), visited, depth + 1);
        }
    }

    private ExpressionNode expression(
            Expression expression, ExpressionArena arena, ExpressionNode[] rules, int depth) {
        budget.checkDepth(depth);
        ExpressionNode known = expressions.get(expression);
        if (known != null) {
            return known;
        }
        ExpressionNode result =
                switch (expression) {
                    case Expression.Terminal terminal ->
                            arena.terminal(regex(terminal.regex(), arena.regexes));
                    case Expression.Special special -> arena.special(special.id());
                    case Expression.Sequence sequence -> {
                        List<ExpressionNode> items = new ArrayList<>();
                        for (Expression item : sequence.items()) {
                            items.add(expression(item, arena, rules, depth + 1));
                        }
                        ExpressionNode rest = arena.empty;
                        for (ExpressionNode item : items.reversed()) {
                            rest = arena.sequence(item, rest);
                        }
                        yield rest;
                    }
                    case Expression.Choice choice -> {
                        List<ExpressionNode> options = new ArrayList<>();
                        List<Regex> terminals = new ArrayList<>();
                        for (Expression option : choice.options()) {
                            if (option instanceof Expression.Terminal terminal) {
                                terminals.add(terminal.regex());
                            } else {
                                options.add(expression(option, arena, rules, depth + 1));
                            }
                        }
                        if (!terminals.isEmpty()) {
                            options.add(arena.terminal(union(terminals, arena.regexes)));
                        }
                        yield arena.choice(options);
                    }
                    case Expression.Repeat repeat ->
                            arena.repeat(
                                    expression(repeat.item(), arena, rules, depth + 1),
                                    repeat.min(),
                                    repeat.max());
                    case Expression.Reference reference -> {
                        int index = Objects.requireNonNull(indexes.get(reference.rule()));
                        ExpressionNode rule = rules[index];
                        // a rule that is a terminal is one wherever it stands
                        yield rule != null
                                        && (rule.kind == ExpressionNode.Kind.TERMINAL
                                                || rule.kind == ExpressionNode.Kind.EMPTY)
                                ? rule
                                : arena.reference(index);
                    }
                };
        expressions.put(expression, result);
        return result;
    }

    private RegexNode regex(Regex regex, RegexArena arena) {
        RegexNode known = regexes.get(regex);
        if (known != null) {
            return known;
        }
        RegexNode result =
                switch (regex) {
                    case Regex.Bytes bytes -> arena.bytes(bytes.set());
                    case Regex.Sequence sequence -> {
                        RegexNode rest = arena.empty;
                        for (Regex item : sequence.items().reversed()) {
                            rest = arena.concatenation(regex(item, arena), rest);
                        }
                        yield rest;
                    }
                    case Regex.Union union -> union(union.options(), arena);
                    case Regex.Intersection intersection ->
                            arena.intersection(regexes(intersection.all(), arena));
                    case Regex.Complement complement ->
                            arena.complement(regex(complement.of(), arena));
                    case Regex.Repeat repeat ->
                            arena.repeat(regex(repeat.item(), arena), repeat.min(), repeat.max());
                };
        regexes.put(regex, result);
        return result;
    }

    private RegexNode union(List<Regex> options, RegexArena arena) {
        List<byte[]> literals = new ArrayList<>();
        List<RegexNode> others = new ArrayList<>();
        for (Regex option : options) {
            byte[] literal = LiteralTree.literal(option);
            if (literal == null) {
                others.add(regex(option, arena));
            } else {
                literals.add(literal);
            }
        }
        if (!literals.isEmpty()) {
            others.add(new LiteralTree(arena, literals).language());
        }
        return arena.union(others);
    }

    private List<RegexNode> regexes(List<Regex> items, RegexArena arena) {
        List<RegexNode> results = new ArrayList<>(items.size());
        for (Regex item : items) {
            results.add(regex(item, arena));
        }
        return results;
    }
}
