// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.FilterCall;
import dev.lockstep.text.jinja.Node.Binding;
import dev.lockstep.text.jinja.Node.Branch;
import dev.lockstep.text.jinja.Node.NameTarget;
import dev.lockstep.text.jinja.Node.NamespaceTarget;
import dev.lockstep.text.jinja.Node.Target;
import dev.lockstep.text.jinja.Node.TupleTarget;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Supplier;

/// An interpreter that renders blocks as text; one per rendering, used by one thread.
final class Interpreter {
    private static final int STEPS_PER_ITERATION = 4;

    private final Budget budget;
    private final Evaluator evaluator;
    private Output output;

    Interpreter(Budget budget) {
        this.budget = budget;
        this.evaluator = new Evaluator(budget);
        this.output = new Output(budget);
    }

    String render(List<Node> nodes, Scope scope) {
        run(nodes, scope);
        return output.toString();
    }

    /// Runs a call, which includes the evaluation of its defaults.
    String called(Supplier<String> call) {
        budget.enterCall();
        String text = call.get();
        budget.leaveCall();
        return text;
    }

    /// Returns the text of a body instead of writing it to the output.
    String capture(List<Node> body, Scope scope) {
        return buffered(() -> run(body, scope));
    }

    Object evaluate(Expression expression, Scope scope) {
        return evaluator.evaluate(expression, scope);
    }

    private String buffered(Runnable body) {
        Output around = output;
        output = new Output(budget);
        body.run();
        String text = output.toString();
        output = around;
        return text;
    }

    private Flow run(List<Node> nodes, Scope scope) {
        for (Node node : nodes) {
            Flow flow = run(node, scope);
            if (flow != Flow.NORMAL) {
                return flow;
            }
        }
        return Flow.NORMAL;
    }

    private Flow run(Node node, Scope scope) {
        try {
            budget.enter();
            Flow flow = perform(node, scope);
            budget.leave();
            return flow;
        } catch (TemplateException failure) {
            throw failure.at(node.line());
        }
    }

    private Flow perform(Node node, Scope scope) {
        switch (node) {
            case Node.Text text -> output.append(text.text());
            case Node.Output written ->
                    output.append(Text.of(evaluate(written.value(), scope), budget));
            case Node.If choice -> {
                return run(chosen(choice, scope), scope);
            }
            case Node.For loop -> {
                return loop(loop, evaluate(loop.iterable(), scope), scope, 0);
            }
            case Node.Assign assign ->
                    assign(assign.target(), evaluate(assign.value(), scope), scope);
            case Node.AssignBlock assign -> {
                return block(
                        assign.body(),
                        assign.filters(),
                        scope,
                        text -> assign(assign.target(), text, scope));
            }
            case Node.FilterBlock filter -> {
                return block(
                        filter.body(),
                        filter.filters(),
                        scope,
                        text -> output.append(Text.of(text, budget)));
            }
            case Node.MacroDefinition macro ->
                    scope.assign(macro.name(), new Macro(macro, scope, this));
            case Node.CallBlock call -> {
                var caller = new Macro(call.caller(), scope, this);
                output.append(Text.of(evaluator.call(call.call(), caller, scope), budget));
            }
            case Node.With with -> {
                return run(with.body(), bound(with.bindings(), scope));
            }
            case Node.Hide hide ->
                    hide.names().forEach(name -> scope.assign(name, Undefined.name(name)));
            case Node.Break ignored -> {
                return Flow.BREAK;
            }
            case Node.Continue ignored -> {
                return Flow.CONTINUE;
            }
        }
        return Flow.NORMAL;
    }

    private List<Node> chosen(Node.If choice, Scope scope) {
        for (Branch branch : choice.branches()) {
            if (Values.truth(evaluate(branch.condition(), scope))) {
                return branch.body();
            }
        }
        return choice.otherwise();
    }

    /// Renders a body to a buffer and passes its filtered text to `use`; drops a body that `break`
    /// or `continue` leaves.
    private Flow block(
            List<Node> body, List<FilterCall> filters, Scope scope, Consumer<Object> use) {
        Flow[] flow = {Flow.NORMAL};
        Scope inner = scope.inner();
        Object value = buffered(() -> flow[0] = run(body, inner));
        if (flow[0] != Flow.NORMAL) {
            return flow[0];
        }
        for (FilterCall filter : filters) {
            value = evaluator.filter(value, filter, inner);
        }
        use.accept(value);
        return Flow.NORMAL;
    }

    private Scope bound(List<Binding> bindings, Scope scope) {
        Scope inner = scope.inner();
        for (Binding binding : bindings) {
            assign(binding.target(), evaluate(binding.value(), scope), inner);
        }
        return inner;
    }

    /// Runs a loop, and its `else` unless an iteration completed, so also if `break` or `continue`
    /// ended every iteration.
    private Flow loop(Node.For node, Object iterable, Scope scope, int depth) {
        List<Object> items = selected(node, iterable, scope);
        Optional<Loop.Recursion> recursion =
                node.recursive()
                        ? Optional.of((deeper, level) -> recurse(node, deeper, scope, level))
                        : Optional.empty();
        var loop = new Loop(items, depth, recursion, budget);
        boolean completed = false;
        while (loop.advance()) {
            budget.steps(STEPS_PER_ITERATION);
            Scope iteration = scope.inner();
            iteration.assign("loop", loop);
            assign(node.target(), loop.current(), iteration);
            Flow flow = run(node.body(), iteration);
            completed |= flow == Flow.NORMAL;
            if (flow == Flow.BREAK) {
                if (iterable instanceof Items taken && node.condition().isEmpty()) {
                    taken.giveBack(loop.remaining());
                }
                break;
            }
        }
        return completed ? Flow.NORMAL : run(node.otherwise(), scope.inner());
    }

    private String recurse(Node.For node, Object items, Scope scope, int depth) {
        return called(() -> buffered(() -> loop(node, items, scope, depth)));
    }

    /// Returns the items to loop over, without those that the loop's own condition excludes.
    private List<Object> selected(Node.For node, Object iterable, Scope scope) {
        List<Object> items = Values.iterate(iterable, budget);
        if (node.condition().isEmpty()) {
            return items;
        }
        List<Object> selected = new ArrayList<>();
        for (Object item : items) {
            Scope test = scope.inner();
            assign(node.target(), item, test);
            if (Values.truth(evaluate(node.condition().get(), test))) {
                selected.add(item);
            }
        }
        return selected;
    }

    private void assign(Target target, Object value, Scope scope) {
        switch (target) {
            case NameTarget name -> scope.assign(name.name(), value);
            case NamespaceTarget attribute -> {
                if (!(scope.lookup(attribute.namespace()) instanceof Namespace namespace)) {
                    throw new TemplateException("cannot assign attribute on non-namespace object");
                }
                namespace.attributes().put(attribute.attribute(), value);
            }
            case TupleTarget tuple -> unpack(tuple.targets(), value, scope);
        }
    }

    private void unpack(List<Target> targets, Object value, Scope scope) {
        if (!Values.isIterable(value)) {
            throw new TemplateException(
                    "cannot unpack non-iterable " + Values.typeName(value) + " object");
        }
        List<Object> values = Values.iterate(value, budget);
        if (values.size() != targets.size()) {
            throw new TemplateException(
                    values.size() > targets.size()
                            ? "too many values to unpack (expected " + targets.size() + ")"
                            : "not enough values to unpack (expected "
                                    + targets.size()
                                    + ", got "
                                    + values.size()
                                    + ")");
        }
        for (int index = 0; index < targets.size(); index++) {
            assign(targets.get(index), values.get(index), scope);
        }
    }
}
