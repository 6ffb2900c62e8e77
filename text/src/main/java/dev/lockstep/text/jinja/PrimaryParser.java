// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Expression.DictLiteral;
import dev.lockstep.text.jinja.Expression.Entry;
import dev.lockstep.text.jinja.Expression.ListLiteral;
import dev.lockstep.text.jinja.Expression.Literal;
import dev.lockstep.text.jinja.Expression.Name;
import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;

/// A parser for the start of an operand: a literal, a name, or brackets.
final class PrimaryParser {
    private final TokenStream tokens;
    private final ExpressionParser expressions;

    PrimaryParser(TokenStream tokens, ExpressionParser expressions) {
        this.tokens = tokens;
        this.expressions = expressions;
    }

    Expression primary() {
        TemplateToken token = tokens.current();
        int line = token.line();
        return switch (token.kind()) {
            case NAME -> name(tokens.take());
            case STRING -> string(line);
            case INTEGER -> new Literal(integer(tokens.take().text()), line);
            case FLOAT -> new Literal(Double.parseDouble(tokens.take().text()), line);
            case OPERATOR -> bracket(line);
            case DATA, OUTPUT_BEGIN, OUTPUT_END, BLOCK_BEGIN, BLOCK_END, END ->
                    throw tokens.unexpected("an expression");
        };
    }

    private Expression name(TemplateToken token) {
        return switch (token.text()) {
            case "true", "True" -> new Literal(true, token.line());
            case "false", "False" -> new Literal(false, token.line());
            case "none", "None" -> new Literal(None.NONE, token.line());
            default -> {
                expressions.reads(token.text());
                yield new Name(token.text(), token.line());
            }
        };
    }

    private Expression string(int line) {
        String text = tokens.take().text();
        if (tokens.at(Kind.STRING)) {
            var joined = new StringBuilder(text);
            while (tokens.at(Kind.STRING)) {
                joined.append(tokens.take().text());
            }
            text = joined.toString();
        }
        return new Literal(text, line);
    }

    static Object integer(String text) {
        String prefix = text.length() > 2 ? text.substring(0, 2) : "";
        return switch (prefix) {
            case "0x", "0X" -> Numbers.integer(new BigInteger(text.substring(2), 16));
            case "0o", "0O" -> Numbers.integer(new BigInteger(text.substring(2), 8));
            case "0b", "0B" -> Numbers.integer(new BigInteger(text.substring(2), 2));
            default -> Numbers.parseInteger(text);
        };
    }

    private Expression bracket(int line) {
        if (tokens.takeOperator("(")) {
            Expression inner = expressions.tuple(true, "", true);
            tokens.requireOperator(")");
            return inner;
        }
        if (tokens.takeOperator("[")) {
            List<Expression> items = new ArrayList<>();
            while (!tokens.takeOperator("]")) {
                separate(items.isEmpty(), "]");
                if (!tokens.atOperator("]")) {
                    items.add(expressions.expression());
                }
            }
            return new ListLiteral(List.copyOf(items), line);
        }
        if (tokens.takeOperator("{")) {
            List<Entry> entries = new ArrayList<>();
            while (!tokens.takeOperator("}")) {
                separate(entries.isEmpty(), "}");
                if (!tokens.atOperator("}")) {
                    Expression key = expressions.expression();
                    tokens.requireOperator(":");
                    entries.add(new Entry(key, expressions.expression()));
                }
            }
            return new DictLiteral(List.copyOf(entries), line);
        }
        throw tokens.unexpected("an expression");
    }

    private void separate(boolean first, String closing) {
        if (!first && !tokens.takeOperator(",")) {
            throw tokens.unexpected("',' or '" + closing + "'");
        }
    }
}
