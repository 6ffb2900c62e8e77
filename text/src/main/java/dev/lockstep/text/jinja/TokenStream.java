package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.List;

/// The words of a template with one current word, and how deep the parser stands in brackets and
/// blocks.
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

    /// The line of the word last taken.
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

    /// Opens one level of blocks or brackets, so that the parser's own recursion is bounded.
    void enter() {
        if (++nesting > NESTING_LIMIT) {
            throw new TemplateException("nested deeper than " + NESTING_LIMIT, line());
        }
    }

    void leave() {
        nesting--;
    }
}
