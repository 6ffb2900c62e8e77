// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Node.NameTarget;
import dev.lockstep.text.jinja.Node.NamespaceTarget;
import dev.lockstep.text.jinja.Node.Parameter;
import dev.lockstep.text.jinja.Node.Target;
import dev.lockstep.text.jinja.Node.TupleTarget;
import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// A parser for assignment targets: those of `set`, `for` and `with`, and the parameters of macros.
final class TargetParser {
    private static final Set<String> CONSTANTS =
            Set.of("true", "false", "none", "True", "False", "None");

    private final TokenStream tokens;
    private final ExpressionParser expressions;

    TargetParser(TokenStream tokens, ExpressionParser expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
    }

    List<Parameter> parameters() {
        List<Parameter> parameters = new ArrayList<>();
        tokens.requireOperator("(");
        while (!tokens.takeOperator(")")) {
            if (!parameters.isEmpty()) {
                tokens.requireOperator(",");
            }
            TemplateToken name = tokens.require(Kind.NAME, "the name of a parameter");
            Optional<Expression> fallback =
                    tokens.takeOperator("=")
                            ? Optional.of(expressions.expression())
                            : Optional.empty();
            boolean late = !parameters.isEmpty() && parameters.getLast().fallback().isPresent();
            if (fallback.isEmpty() && late) {
                throw new TemplateException(
                        "parameter '"
                                + name.text()
                                + "' without a default follows one with a default",
                        name.line());
            }
            parameters.add(new Parameter(name.text(), fallback));
        }
        return List.copyOf(parameters);
    }

    Target targets(String endName) {
        List<Target> targets = new ArrayList<>(List.of(target()));
        boolean isTuple = false;
        while (tokens.takeOperator(",")) {
            isTuple = true;
            if (tokens.atOperator("=") || tokens.atName(endName) || tokens.atOperator(")")) {
                break;
            }
            targets.add(target());
        }
        return isTuple ? new TupleTarget(List.copyOf(targets)) : targets.getFirst();
    }

    Target target() {
        if (tokens.takeOperator("(")) {
            tokens.enter();
            Target inner = targets("");
            tokens.leave();
            tokens.requireOperator(")");
            return inner;
        }
        TemplateToken name = tokens.require(Kind.NAME, "a name to assign to");
        if (tokens.takeOperator(".")) {
            String attribute = tokens.require(Kind.NAME, "the name of an attribute").text();
            expressions.reads(name.text());
            return new NamespaceTarget(name.text(), attribute);
        }
        if (CONSTANTS.contains(name.text())) {
            throw new TemplateException("cannot assign to '" + name.text() + "'", name.line());
        }
        return new NameTarget(name.text());
    }
}
