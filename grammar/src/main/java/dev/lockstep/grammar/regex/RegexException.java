// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

/// A regular expression that is malformed, over a limit, or not a regular language.
public final class RegexException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final int position;

    RegexException(String what, int position) {
        super("%s at position %d of the regular expression".formatted(what, position));
        this.position = position;
    }

    /// In UTF-16 units from the start of the expression.
    public int position() {
        return position;
    }
}
