// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.math.BigDecimal;

/// Languages of JSON numbers.
///
/// A number is written plainly (`-12.50`), or with an exponent as writers of JSON do where the
/// plain form is long: one digit before the point, an exponent of 16 and more with at most 16
/// digits behind the point (so that its value is whole), or a negative exponent. Other forms of a
/// number are left out: no value needs them.
final class NumberText {
    private static final Regex LARGE =
            syntax("[1-9](\\.\\d{1,16})?[eE]\\+?(1[6-9]|[2-9]\\d|[12]\\d\\d|30[0-8])");
    private static final Regex PLAIN = syntax("-?(0|[1-9]\\d*)(\\.\\d+)?");
    private static final Regex SMALL =
            syntax("-?[1-9](\\.\\d{1,17})?[eE]-0*([1-9]\\d?|[12]\\d\\d|30[0-7])");
    static final Regex ALL = Language.union(PLAIN, signed(LARGE), SMALL);
    private static final Regex INTEGERS =
            Language.union(syntax("-?(0|[1-9]\\d*)(\\.0)?"), signed(LARGE));
    private static final Regex FRACTIONS =
            Language.intersection(
                    ALL,
                    Language.complement(
                            Language.union(syntax("-?(0|[1-9]\\d*)(\\.0+)?"), signed(LARGE))));
    private static final Regex DIGITS_ONLY = syntax("-?(0|[1-9]\\d*)");

    private NumberText() {}

    private static Regex syntax(String pattern) {
        return RegexSyntax.whole(pattern, Dialect.ECMA_262);
    }

    private static Regex signed(Regex magnitude) {
        return Language.sequence(Language.optional(Language.text("-")), magnitude);
    }

    /// Whole numbers, by their value or, as in draft 4, by their text. A model could go on with
    /// zeros behind the point for as long as it may write: there is one at most.
    static Regex integers(boolean byText) {
        return byText ? DIGITS_ONLY : INTEGERS;
    }

    /// All numbers that are not whole.
    static Regex fractions(boolean byText) {
        return byText ? Language.intersection(ALL, Language.complement(DIGITS_ONLY)) : FRACTIONS;
    }

    static Regex atLeast(BigDecimal bound, boolean exclusive) {
        return switch (bound.signum()) {
            case 1 -> Magnitude.atLeast(bound, exclusive);
            case 0 ->
                    Language.union(
                            Magnitude.atLeast(bound, exclusive),
                            negative(Magnitude.atMost(bound, exclusive)));
            default ->
                    Language.union(
                            Magnitude.any(), negative(Magnitude.atMost(bound.negate(), exclusive)));
        };
    }

    static Regex atMost(BigDecimal bound, boolean exclusive) {
        return switch (bound.signum()) {
            case 1 -> Language.union(Magnitude.atMost(bound, exclusive), negative(Magnitude.any()));
            case 0 ->
                    Language.union(
                            Magnitude.atMost(bound, exclusive),
                            negative(Magnitude.atLeast(bound, exclusive)));
            default -> negative(Magnitude.atLeast(bound.negate(), exclusive));
        };
    }

    static Regex exactly(BigDecimal value) {
        Regex magnitude = Magnitude.exactly(value.abs());
        return switch (value.signum()) {
            case 1 -> magnitude;
            case 0 -> signed(magnitude);
            default -> negative(magnitude);
        };
    }

    private static Regex negative(Regex magnitude) {
        return Language.sequence(Language.text("-"), magnitude);
    }

    /// All numbers that are no multiple, as far as their form tells: those with a negative exponent
    /// count for neither side.
    static Regex plainWithout(Regex multiples) {
        return Language.intersection(PLAIN, Language.complement(multiples));
    }

    static Regex large() {
        return signed(LARGE);
    }
}
