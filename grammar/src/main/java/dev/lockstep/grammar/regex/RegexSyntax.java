// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Expression;
import dev.lockstep.grammar.Grammar;
import dev.lockstep.grammar.Regex;

/// Regular languages from the text of regular expressions.
public final class RegexSyntax {
    /// UTF-16 units of an expression from a caller.
    public static final int MAX_LENGTH = 4096;

    private RegexSyntax() {}

    /// The grammar of the texts that an expression in Python's syntax matches as a whole.
    ///
    /// @throws RegexException with the place, if it is malformed, too large or not regular
    public static Grammar grammar(String expression) {
        return Grammar.of(new Expression.Terminal(whole(expression, Dialect.PYTHON)));
    }

    /// The texts that the expression matches as a whole, in UTF-8.
    ///
    /// @throws RegexException with the place, if it is malformed, too large or not regular
    public static Regex whole(String expression, Dialect dialect) {
        return whole(expression, dialect, Alphabet.UTF_8);
    }

    public static Regex whole(String expression, Dialect dialect, Alphabet alphabet) {
        requireLength(expression);
        return new PatternLanguage(alphabet).whole(new PatternParser(expression, dialect).parse());
    }

    private static void requireLength(String expression) {
        if (expression.length() > MAX_LENGTH) {
            throw new RegexException(
                    "%d characters exceed the limit of %d"
                            .formatted(expression.length(), MAX_LENGTH),
                    MAX_LENGTH);
        }
    }

    /// The texts in which the expression is found somewhere.
    ///
    /// @throws RegexException with the place, if it is malformed, too large or not regular
    public static Regex containing(String expression, Dialect dialect, Alphabet alphabet) {
        requireLength(expression);
        return containingTrusted(expression, dialect, alphabet);
    }

    /// As [#containing], for an expression of ours.
    public static Regex containingTrusted(String expression, Dialect dialect, Alphabet alphabet) {
        return new PatternLanguage(alphabet)
                .containing(new PatternParser(expression, dialect).parse());
    }
}
