// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.ArgumentList;
import dev.lockstep.text.jinja.Expression.Attribute;
import dev.lockstep.text.jinja.Expression.Call;
import dev.lockstep.text.jinja.Expression.FilterCall;
import dev.lockstep.text.jinja.Expression.Filtered;
import dev.lockstep.text.jinja.Expression.Item;
import dev.lockstep.text.jinja.Expression.Literal;
import dev.lockstep.text.jinja.Expression.Slice;
import dev.lockstep.text.jinja.Expression.Tested;
import dev.lockstep.text.jinja.Expression.TupleLiteral;
import dev.lockstep.text.jinja.Expression.Unary;
import dev.lockstep.text.jinja.Expression.UnaryOperator;
import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A parser for operands: literals, names, brackets, and the subscripts, calls, filters and tests
/// after them.
final class OperandParser {
    private final TokenStream tokens;
    private final ExpressionParser expressions;
    private final PrimaryParser primaries;

    OperandParser(TokenStream tokens, ExpressionParser expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
        this.primaries = new PrimaryParser(tokens, expressions);
    }

    Expression primary() {
        return primaries.primary();
    }

    Expression postfix(Expression operand) {
        Expression result = operand;
        while (true) {
            if (tokens.atOperator(".") || tokens.atOperator("[")) {
                result = subscript(result);
            } else if (tokens.atOperator("(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    private Expression subscript(Expression object) {
        TemplateToken open = tokens.take();
        if (open.isOperator("[")) {
            return item(object, open.line());
        }
        TemplateToken part = tokens.take();
        return switch (part.kind()) {
            case NAME -> new Attribute(object, part.text(), open.line());
            case INTEGER ->
                    new Item(
                            object,
                            new Literal(PrimaryParser.integer(part.text()), part.line()),
                            open.line());
            default ->
                    throw new TemplateException(
                            "unexpected " + part.described() + ", expected a name", part.line());
        };
    }

    private Expression item(Expression object, int line) {
        if (atSlicePart(":")) {
            return slice(object, Optional.empty(), line);
        }
        Expression first = expressions.expression();
        if (atSlicePart(":")) {
            return slice(object, Optional.of(first), line);
        }
        List<Expression> keys = new ArrayList<>(List.of(first));
        while (tokens.takeOperator(",")) {
            keys.add(expressions.expression());
        }
        tokens.requireOperator("]");
        Expression key = keys.size() == 1 ? first : new TupleLiteral(List.copyOf(keys), line);
        return new Item(object, key, line);
    }

    private Expression slice(Expression object, Optional<Expression> start, int line) {
        tokens.requireOperator(":");
        Optional<Expression> stop = slicePart();
        Optional<Expression> step = Optional.empty();
        if (tokens.takeOperator(":")) {
            step = slicePart();
        }
        tokens.requireOperator("]");
        return new Slice(object, start, stop, step, line);
    }

    private Optional<Expression> slicePart() {
        return atSlicePart(":") || atSlicePart("]")
                ? Optional.empty()
                : Optional.of(expressions.expression());
    }

    private boolean atSlicePart(String mark) {
        return tokens.atOperator(mark);
    }

    Expression filtersAndTests(Expression operand) {
        Expression result = operand;
        while (true) {
            if (tokens.atOperator("|")) {
                int line = tokens.take().line();
                result = new Filtered(result, filterCall(), line);
            } else if (tokens.atName("is")) {
                result = test(result);
            } else if (tokens.atOperator("(")) {
                result = call(result);
            } else {
                return result;
            }
        }
    }

    /// Parses a filter's name and arguments, after its `|`.
    FilterCall filterCall() {
        TemplateToken name = tokens.require(Kind.NAME, "the name of a filter");
        ArgumentList arguments = tokens.atOperator("(") ? arguments() : ArgumentList.NONE;
        return new FilterCall(dotted(name), arguments, name.line());
    }

    private String dotted(TemplateToken first) {
        var name = new StringBuilder(first.text());
        while (tokens.takeOperator(".")) {
            name.append('.').append(tokens.require(Kind.NAME, "a name").text());
        }
        return name.toString();
    }

    private Expression test(Expression input) {
        int line = tokens.take().line();
        boolean negated = tokens.takeName("not");
        String name = dotted(tokens.require(Kind.NAME, "the name of a test"));
        ArgumentList arguments = ArgumentList.NONE;
        if (tokens.atOperator("(")) {
            arguments = arguments();
        } else if (atTestArgument()) {
            Expression only = postfix(primary());
            arguments =
                    new ArgumentList(List.of(only), List.of(), Optional.empty(), Optional.empty());
        }
        Expression tested = new Tested(input, name, arguments, line);
        return negated ? new Unary(UnaryOperator.NOT, tested, line) : tested;
    }

    private boolean atTestArgument() {
        TemplateToken token = tokens.current();
        return switch (token.kind()) {
            case STRING, INTEGER, FLOAT -> true;
            case NAME -> {
                if (token.isName("is")) {
                    throw tokens.unexpected("one test only");
                }
                yield !token.isName("else") && !token.isName("or") && !token.isName("and");
            }
            case OPERATOR -> token.isOperator("[") || token.isOperator("{");
            case DATA, OUTPUT_BEGIN, OUTPUT_END, BLOCK_BEGIN, BLOCK_END, END -> false;
        };
    }

    Call call(Expression callee) {
        int line = tokens.line();
        return new Call(callee, arguments(), line);
    }

    private ArgumentList arguments() {
        return new ArgumentParser(tokens, expressions).parse();
    }
}
