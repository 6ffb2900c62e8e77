// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.List;

/// The tokens of a template with a current token, and the nesting depth of brackets and blocks in
/// the parser.
final class TokenStream {
    private static final int NESTING_LIMIT = 100;

    private final List<TemplateToken> tokens;
    private int position;
    private int nesting;

    TokenStream(List<TemplateToken> tokens) {
        this.tokens = tokens;
    }

    TemplateToken current() {
        return tokens.get(position);
    }

    TemplateToken following() {
        return tokens.get(Math.min(position + 1, tokens.size() - 1));
    }

    int line() {
        return current().line();
    }

    /// Returns the line of the last consumed token.
    int lineBefore() {
        return tokens.get(Math.max(0, position - 1)).line();
    }

    boolean at(Kind kind) {
        return current().kind() == kind;
    }

    boolean atName(String name) {
        return current().isName(name);
    }

    boolean atOperator(String operator) {
        return current().isOperator(operator);
    }

    TemplateToken take() {
        TemplateToken taken = current();
        if (taken.kind() != Kind.END) {
            position++;
        }
        return taken;
    }

    boolean takeOperator(String operator) {
        boolean present = atOperator(operator);
        if (present) {
            position++;
        }
        return present;
    }

    boolean takeName(String name) {
        boolean present = atName(name);
        if (present) {
            position++;
        }
        return present;
    }

    TemplateToken require(Kind kind, String wanted) {
        if (!at(kind)) {
            throw unexpected(wanted);
        }
        return take();
    }

    void requireOperator(String operator) {
        if (!takeOperator(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    void requireName(String name) {
        if (!takeName(name)) {
            throw unexpected("'" + name + "'");
        }
    }

    TemplateException unexpected(String wanted) {
        return new TemplateException(
                "unexpected " + current().described() + ", expected " + wanted, line());
    }

    /// Opens one level of blocks or brackets, which bounds the parser's own recursion.
    void enter() {
        if (++nesting > NESTING_LIMIT) {
            throw new TemplateException("nested deeper than " + NESTING_LIMIT, line());
        }
    }

    void leave() {
        nesting--;
    }
}
