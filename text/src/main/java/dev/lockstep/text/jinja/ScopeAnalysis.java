// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Node.Binding;
import dev.lockstep.text.jinja.Node.Branch;
import dev.lockstep.text.jinja.Node.MacroDefinition;
import dev.lockstep.text.jinja.Node.NameTarget;
import dev.lockstep.text.jinja.Node.NamespaceTarget;
import dev.lockstep.text.jinja.Node.Parameter;
import dev.lockstep.text.jinja.Node.Target;
import dev.lockstep.text.jinja.Node.TupleTarget;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/// An analysis of the names that a scope hides from its start.
///
/// A scope that assigns a name before it reads it, outside of any `if`, owns the name from its
/// first line: until the assignment the name is undefined there and in its inner scopes, even if
/// the template has a variable of that name. If an enclosing scope refers to the name, that scope's
/// value stays visible instead. Each scope that hides names gets a leading [Node.Hide].
final class ScopeAnalysis {
    private final Set<String> outer;
    private final Set<String> seen;
    private final Set<String> hidden = new TreeSet<>();
    private final NameReads reads;

    private ScopeAnalysis(Set<String> outer, Set<String> parameters) {
        this.outer = outer;
        this.seen = new HashSet<>(parameters);
        this.reads = new NameReads(seen::add);
    }

    static List<Node> of(List<Node> template) {
        return scope(template, Set.of(), Set.of());
    }

    private static List<Node> scope(List<Node> body, Set<String> parameters, Set<String> outer) {
        var scope = new ScopeAnalysis(outer, parameters);
        scope.walk(body, false);
        Set<String> around = new HashSet<>(outer);
        around.addAll(scope.seen);
        List<Node> nodes = inner(body, around);
        if (scope.hidden.isEmpty()) {
            return nodes;
        }
        List<Node> hiding = new ArrayList<>(nodes);
        hiding.addFirst(new Node.Hide(scope.hidden, body.getFirst().line()));
        return List.copyOf(hiding);
    }

    private void walk(List<Node> nodes, boolean inBranch) {
        for (Node node : nodes) {
            switch (node) {
                case Node.Output output -> reads.in(output.value());
                case Node.If choice -> {
                    for (Branch branch : choice.branches()) {
                        reads.in(branch.condition());
                        walk(branch.body(), true);
                    }
                    walk(choice.otherwise(), true);
                }
                case Node.For loop -> reads.in(loop.iterable());
                case Node.Assign assign -> {
                    reads.in(assign.value());
                    assigned(assign.target(), inBranch);
                }
                case Node.AssignBlock assign -> assigned(assign.target(), inBranch);
                case MacroDefinition macro -> assigned(macro.name(), inBranch);
                case Node.CallBlock call -> reads.in(call.call());
                case Node.FilterBlock filter -> filter.filters().forEach(reads::in);
                case Node.With with -> with.bindings().forEach(each -> reads.in(each.value()));
                case Node.Text ignored -> {}
                case Node.Hide ignored -> {}
                case Node.Break ignored -> {}
                case Node.Continue ignored -> {}
            }
        }
    }

    private void assigned(Target target, boolean inBranch) {
        switch (target) {
            case NameTarget name -> assigned(name.name(), inBranch);
            case NamespaceTarget attribute -> seen.add(attribute.namespace());
            case TupleTarget tuple -> tuple.targets().forEach(each -> assigned(each, inBranch));
        }
    }

    private void assigned(String name, boolean inBranch) {
        boolean first = seen.add(name);
        if (first && !inBranch && !outer.contains(name)) {
            hidden.add(name);
        }
    }

    /// Returns the same nodes with their inner scopes analysed.
    private static List<Node> inner(List<Node> nodes, Set<String> around) {
        return nodes.stream().map(node -> inner(node, around)).toList();
    }

    private static Node inner(Node node, Set<String> around) {
        return switch (node) {
            case Node.If choice ->
                    new Node.If(
                            choice.branches().stream()
                                    .map(
                                            each ->
                                                    new Branch(
                                                            each.condition(),
                                                            inner(each.body(), around)))
                                    .toList(),
                            inner(choice.otherwise(), around),
                            choice.line());
            case Node.For loop -> {
                Set<String> names = names(loop.target());
                new NameReads(name -> {}).in(loop.condition());
                names.add("loop");
                yield new Node.For(
                        loop.target(),
                        loop.iterable(),
                        loop.condition(),
                        scope(loop.body(), names, around),
                        scope(loop.otherwise(), Set.of(), around),
                        loop.recursive(),
                        loop.line());
            }
            case Node.AssignBlock block ->
                    new Node.AssignBlock(
                            block.target(),
                            checked(block.filters()),
                            scope(block.body(), Set.of(), around),
                            block.line());
            case Node.FilterBlock block ->
                    new Node.FilterBlock(
                            block.filters(), scope(block.body(), Set.of(), around), block.line());
            case Node.With with -> {
                Set<String> names = new HashSet<>();
                for (Binding binding : with.bindings()) {
                    names.addAll(names(binding.target()));
                }
                yield new Node.With(
                        with.bindings(), scope(with.body(), names, around), with.line());
            }
            case MacroDefinition macro -> macro(macro, around);
            case Node.CallBlock call ->
                    new Node.CallBlock(call.call(), macro(call.caller(), around), call.line());
            case Node.Text text -> text;
            case Node.Output output -> output;
            case Node.Assign assign -> assign;
            case Node.Hide hide -> hide;
            case Node.Break left -> left;
            case Node.Continue skipped -> skipped;
        };
    }

    private static List<Expression.FilterCall> checked(List<Expression.FilterCall> filters) {
        filters.forEach(new NameReads(name -> {})::in);
        return filters;
    }

    private static MacroDefinition macro(MacroDefinition macro, Set<String> around) {
        Set<String> names = new HashSet<>(Set.of("caller", "kwargs", "varargs"));
        for (Parameter parameter : macro.signature().parameters()) {
            names.add(parameter.name());
            new NameReads(names::add).in(parameter.fallback());
        }
        return new MacroDefinition(
                macro.name(), macro.signature(), scope(macro.body(), names, around), macro.line());
    }

    private static Set<String> names(Target target) {
        Set<String> names = new HashSet<>();
        switch (target) {
            case NameTarget name -> names.add(name.name());
            case NamespaceTarget attribute -> names.add(attribute.namespace());
            case TupleTarget tuple -> tuple.targets().forEach(each -> names.addAll(names(each)));
        }
        return names;
    }
}
