// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

/// A grammar that is malformed, over a limit, or uses what is not supported.
public final class GrammarTextException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final int line;
    private final int column;

    GrammarTextException(String what, int line, int column) {
        super("%s at line %d, column %d".formatted(what, line, column));
        this.line = line;
        this.column = column;
    }

    /// From 1 on.
    public int line() {
        return line;
    }

    /// From 1 on.
    public int column() {
        return column;
    }
}
