// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.FilterCall;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// A node that writes text or changes names; rendered by [Interpreter].
sealed interface Node {
    int line();

    record Text(String text, int line) implements Node {}

    record Output(Expression value, int line) implements Node {}

    record If(List<Branch> branches, List<Node> otherwise, int line) implements Node {}

    record Branch(Expression condition, List<Node> body) {}

    record For(
            Target target,
            Expression iterable,
            Optional<Expression> condition,
            List<Node> body,
            List<Node> otherwise,
            boolean recursive,
            int line)
            implements Node {}

    record Assign(Target target, Expression value, int line) implements Node {}

    /// `{% set name | filter %}…{% endset %}`
    record AssignBlock(Target target, List<FilterCall> filters, List<Node> body, int line)
            implements Node {}

    record MacroDefinition(String name, Signature signature, List<Node> body, int line)
            implements Node {}

    /// `{% call(parameters) macro(arguments) %}…{% endcall %}`
    record CallBlock(Expression.Call call, MacroDefinition caller, int line) implements Node {}

    record FilterBlock(List<FilterCall> filters, List<Node> body, int line) implements Node {}

    /// Bindings for a body only; without bindings (`generation`) only a scope.
    record With(List<Binding> bindings, List<Node> body, int line) implements Node {}

    /// Names that are undefined in the scope until it assigns them; inserted by [ScopeAnalysis].
    record Hide(Set<String> names, int line) implements Node {}

    record Break(int line) implements Node {}

    record Continue(int line) implements Node {}

    record Binding(Target target, Expression value) {}

    record Parameter(String name, Optional<Expression> fallback) {}

    /// The parameters of a macro; it accepts extra arguments only if its body reads `varargs`,
    /// `kwargs` or `caller`.
    record Signature(
            List<Parameter> parameters,
            boolean takesExtraPositional,
            boolean takesExtraNamed,
            boolean takesCaller) {}

    /// An assignment target, left of `=` or between `for` and `in`.
    sealed interface Target {}

    record NameTarget(String name) implements Target {}

    /// `namespace.attribute`
    record NamespaceTarget(String namespace, String attribute) implements Target {}

    record TupleTarget(List<Target> targets) implements Target {}
}
