// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.Call;
import dev.lockstep.text.jinja.Expression.FilterCall;
import dev.lockstep.text.jinja.Node.Binding;
import dev.lockstep.text.jinja.Node.Branch;
import dev.lockstep.text.jinja.Node.MacroDefinition;
import dev.lockstep.text.jinja.Node.Parameter;
import dev.lockstep.text.jinja.Node.Signature;
import dev.lockstep.text.jinja.Node.Target;
import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/// A parser for the blocks of a template.
final class TemplateParser {
    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private final TargetParser targets;
    private int loops;

    private TemplateParser(String source) {
        this.tokens = new TokenStream(Lexer.tokenize(source));
        this.expressions = new ExpressionParser(tokens);
        this.targets = new TargetParser(tokens, expressions);
    }

    static List<Node> parse(String source) {
        var parser = new TemplateParser(source);
        return ScopeAnalysis.of(parser.body(Set.of()));
    }

    /// Parses up to a block that starts with one of the names and consumes its `{%`; without names,
    /// parses up to the end.
    private List<Node> body(Set<String> ends) {
        tokens.enter();
        int opened = tokens.lineBefore();
        List<Node> nodes = new ArrayList<>();
        while (!tokens.at(Kind.END)) {
            TemplateToken token = tokens.take();
            switch (token.kind()) {
                case DATA -> nodes.add(new Node.Text(token.text(), token.line()));
                case OUTPUT_BEGIN -> {
                    nodes.add(new Node.Output(expressions.tuple(true, "", false), token.line()));
                    tokens.require(Kind.OUTPUT_END, "'}}'");
                }
                default -> {
                    if (tokens.at(Kind.NAME) && ends.contains(tokens.current().text())) {
                        tokens.leave();
                        return List.copyOf(nodes);
                    }
                    nodes.add(statement());
                    endBlock();
                }
            }
        }
        if (!ends.isEmpty()) {
            throw new TemplateException(
                    "block without its '" + ends.stream().sorted().findFirst().orElseThrow() + "'",
                    opened);
        }
        tokens.leave();
        return List.copyOf(nodes);
    }

    private Node statement() {
        TemplateToken name = tokens.require(Kind.NAME, "the name of a block");
        int line = name.line();
        return switch (name.text()) {
            case "if" -> ifBlock(line);
            case "for" -> forBlock(line);
            case "set" -> set(line);
            case "macro" -> macro(line);
            case "call" -> callBlock(line);
            case "filter" -> filterBlock(line);
            case "with" -> with(line);
            case "generation" ->
                    new Node.With(List.of(), function(() -> bodyUntil("endgeneration")), line);
            case "break" -> inLoop(new Node.Break(line), "break");
            case "continue" -> inLoop(new Node.Continue(line), "continue");
            default -> throw new TemplateException("unknown block '" + name.text() + "'", line);
        };
    }

    private void endBlock() {
        tokens.require(Kind.BLOCK_END, "'%}'");
    }

    /// Parses the body after this tag's end and consumes the name that ends it.
    private List<Node> bodyUntil(String end) {
        endBlock();
        List<Node> body = body(Set.of(end));
        tokens.requireName(end);
        return body;
    }

    private Node ifBlock(int line) {
        List<Branch> branches = new ArrayList<>();
        List<Node> otherwise = List.of();
        do {
            Expression condition = expressions.tuple(false, "", false);
            endBlock();
            branches.add(new Branch(condition, body(Set.of("elif", "else", "endif"))));
        } while (tokens.takeName("elif"));
        if (tokens.takeName("else")) {
            otherwise = bodyUntil("endif");
        } else {
            tokens.requireName("endif");
        }
        return new Node.If(List.copyOf(branches), otherwise, line);
    }

    private Node forBlock(int line) {
        Target target = targets.targets("in");
        tokens.requireName("in");
        Expression iterable = expressions.tuple(false, "recursive", false);
        Optional<Expression> condition =
                tokens.takeName("if") ? Optional.of(expressions.expression()) : Optional.empty();
        boolean recursive = tokens.takeName("recursive");
        endBlock();
        loops++;
        List<Node> body = body(Set.of("endfor", "else"));
        loops--;
        List<Node> otherwise = List.of();
        if (tokens.takeName("else")) {
            otherwise = bodyUntil("endfor");
        } else {
            tokens.requireName("endfor");
        }
        return new Node.For(target, iterable, condition, body, otherwise, recursive, line);
    }

    private Node set(int line) {
        Target target = targets.targets("");
        if (tokens.takeOperator("=")) {
            return new Node.Assign(target, expressions.tuple(true, "", false), line);
        }
        List<FilterCall> filters = new ArrayList<>();
        while (tokens.takeOperator("|")) {
            filters.add(expressions.operands().filterCall());
        }
        return new Node.AssignBlock(target, List.copyOf(filters), bodyUntil("endset"), line);
    }

    private Node filterBlock(int line) {
        List<FilterCall> filters = new ArrayList<>();
        do {
            filters.add(expressions.operands().filterCall());
        } while (tokens.takeOperator("|"));
        return new Node.FilterBlock(List.copyOf(filters), bodyUntil("endfilter"), line);
    }

    private Node with(int line) {
        List<Binding> bindings = new ArrayList<>();
        while (!tokens.at(Kind.BLOCK_END)) {
            if (!bindings.isEmpty()) {
                tokens.requireOperator(",");
            }
            Target target = targets.target();
            tokens.requireOperator("=");
            bindings.add(new Binding(target, expressions.expression()));
        }
        return new Node.With(List.copyOf(bindings), bodyUntil("endwith"), line);
    }

    private MacroDefinition macro(int line) {
        String name = tokens.require(Kind.NAME, "the name of the macro").text();
        return definition(name, targets.parameters(), "endmacro", line);
    }

    private Node callBlock(int line) {
        List<Parameter> parameters = tokens.atOperator("(") ? targets.parameters() : List.of();
        Expression called = expressions.expression();
        if (!(called instanceof Call call)) {
            throw new TemplateException("'call' needs a macro with its arguments", line);
        }
        MacroDefinition caller = definition("caller", parameters, "endcall", line);
        return new Node.CallBlock(call, caller, line);
    }

    private MacroDefinition definition(
            String name, List<Parameter> parameters, String end, int line) {
        Set<String> read = new HashSet<>();
        Set<String> outer = expressions.replaceNames(read);
        List<Node> body = function(() -> bodyUntil(end));
        expressions.replaceNames(outer);
        outer.addAll(read);
        var signature =
                new Signature(
                        parameters,
                        read.contains("varargs"),
                        read.contains("kwargs"),
                        read.contains("caller"));
        return new MacroDefinition(name, signature, body, line);
    }

    private Node inLoop(Node node, String name) {
        if (loops == 0) {
            throw new TemplateException("'" + name + "' outside of a loop", node.line());
        }
        return node;
    }

    /// Parses a body that runs as a separate function, so that it cannot leave an enclosing loop.
    private List<Node> function(Supplier<List<Node>> body) {
        int outer = loops;
        loops = 0;
        List<Node> nodes = body.get();
        loops = outer;
        return nodes;
    }
}
