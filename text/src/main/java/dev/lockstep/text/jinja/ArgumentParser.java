// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.ArgumentList;
import dev.lockstep.text.jinja.Expression.Named;
import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A parser for one argument list `(a, b, name=c, *star, **doubleStar)`.
final class ArgumentParser {
    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private final List<Expression> positional = new ArrayList<>();
    private final List<Named> named = new ArrayList<>();
    private Optional<Expression> star = Optional.empty();
    private Optional<Expression> doubleStar = Optional.empty();

    ArgumentParser(TokenStream tokens, ExpressionParser expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
    }

    ArgumentList parse() {
        tokens.requireOperator("(");
        boolean first = true;
        while (!tokens.takeOperator(")")) {
            if (!first) {
                tokens.requireOperator(",");
            }
            first = false;
            if (!tokens.atOperator(")")) {
                argument();
            }
        }
        return new ArgumentList(List.copyOf(positional), List.copyOf(named), star, doubleStar);
    }

    private void argument() {
        int line = tokens.line();
        if (tokens.takeOperator("*")) {
            require(star.isEmpty() && doubleStar.isEmpty(), line);
            star = Optional.of(expressions.expression());
        } else if (tokens.takeOperator("**")) {
            require(doubleStar.isEmpty(), line);
            doubleStar = Optional.of(expressions.expression());
        } else if (tokens.at(Kind.NAME) && tokens.following().isOperator("=")) {
            require(doubleStar.isEmpty(), line);
            String name = tokens.take().text();
            tokens.take();
            named.add(new Named(name, expressions.expression()));
        } else {
            require(named.isEmpty() && star.isEmpty() && doubleStar.isEmpty(), line);
            positional.add(expressions.expression());
        }
    }

    private static void require(boolean inOrder, int line) {
        if (!inOrder) {
            throw new TemplateException("arguments in the wrong order", line);
        }
    }
}
