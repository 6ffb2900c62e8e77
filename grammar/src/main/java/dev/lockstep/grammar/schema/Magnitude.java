// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;

/// Languages of numbers without a sign, in the forms of [NumberText].
final class Magnitude {
    /// Exponents that may be written.
    private static final int SMALLEST_LARGE = 16;

    private static final int LARGEST = 308;
    private static final int MOST_NEGATIVE = 307;

    private Magnitude() {}

    private static Regex syntax(String pattern) {
        return RegexSyntax.whole(pattern, Dialect.ECMA_262);
    }

    static Regex any() {
        return Language.union(
                syntax("(0|[1-9]\\d*)(\\.\\d+)?"), exponents(-MOST_NEGATIVE, LARGEST));
    }

    static Regex atLeast(BigDecimal bound, boolean exclusive) {
        Digits digits = Digits.of(bound);
        var options = new ArrayList<Regex>();
        options.add(syntax("[1-9]\\d{%d,}(\\.\\d+)?".formatted(digits.whole.length())));
        for (int i = 0; i < digits.whole.length(); i++) {
            char digit = digits.whole.charAt(i);
            if (digit < '9') {
                options.add(
                        syntax(
                                digits.whole.substring(0, i)
                                        + "[%c-9]\\d{%d}(\\.\\d+)?"
                                                .formatted(
                                                        digit + 1, digits.whole.length() - i - 1)));
            }
        }
        options.add(
                Language.sequence(
                        Language.text(digits.whole), fractionAtLeast(digits.fraction, exclusive)));
        if (bound.signum() == 0) {
            options.add(exponents(-MOST_NEGATIVE, LARGEST));
        } else {
            int exponent = exponent(bound);
            options.add(exponents(exponent + 1, LARGEST));
            options.add(withMantissa(exponent, mantissaAtLeast(mantissa(bound), exclusive)));
        }
        return Language.union(options);
    }

    static Regex atMost(BigDecimal bound, boolean exclusive) {
        Digits digits = Digits.of(bound);
        var options = new ArrayList<Regex>();
        options.addAll(wholeBelow(digits.whole, "(\\.\\d+)?"));
        options.add(
                Language.sequence(
                        Language.text(digits.whole), fractionAtMost(digits.fraction, exclusive)));
        if (bound.signum() > 0) {
            int exponent = exponent(bound);
            options.add(exponents(-MOST_NEGATIVE, exponent - 1));
            options.add(withMantissa(exponent, mantissaAtMost(mantissa(bound), exclusive)));
        }
        return Language.union(options);
    }

    private static List<Regex> wholeBelow(String whole, String then) {
        var options = new ArrayList<Regex>();
        if (whole.length() > 1) {
            options.add(syntax("(0|[1-9]\\d{0,%d})".formatted(whole.length() - 2) + then));
        }
        for (int i = 0; i < whole.length(); i++) {
            char least = i == 0 && whole.length() > 1 ? '1' : '0';
            if (whole.charAt(i) > least) {
                options.add(
                        syntax(
                                whole.substring(0, i)
                                        + "[%c-%c]\\d{%d}"
                                                .formatted(
                                                        least,
                                                        whole.charAt(i) - 1,
                                                        whole.length() - i - 1)
                                        + then));
            }
        }
        return options;
    }

    /// One digit other than zero and a fraction, at least the bound.
    private static Regex mantissaAtLeast(BigDecimal bound, boolean exclusive) {
        Digits digits = Digits.of(bound);
        char digit = digits.whole.charAt(0);
        Regex above =
                digit == '9' ? Language.NOTHING : syntax("[%c-9](\\.\\d+)?".formatted(digit + 1));
        return Language.union(
                above,
                Language.sequence(
                        Language.text(digits.whole), fractionAtLeast(digits.fraction, exclusive)));
    }

    private static Regex mantissaAtMost(BigDecimal bound, boolean exclusive) {
        Digits digits = Digits.of(bound);
        char digit = digits.whole.charAt(0);
        Regex below =
                digit == '1' ? Language.NOTHING : syntax("[1-%c](\\.\\d+)?".formatted(digit - 1));
        return Language.union(
                below,
                Language.sequence(
                        Language.text(digits.whole), fractionAtMost(digits.fraction, exclusive)));
    }

    static Regex exactly(BigDecimal value) {
        Digits digits = Digits.of(value);
        Regex plain =
                Language.sequence(
                        Language.text(digits.whole),
                        syntax(
                                digits.fraction.isEmpty()
                                        ? "(\\.0+)?"
                                        : "\\." + digits.fraction + "0*"));
        if (value.signum() == 0) {
            return plain;
        }
        Digits mantissa = Digits.of(mantissa(value));
        Regex form =
                syntax(
                        mantissa.whole
                                + (mantissa.fraction.isEmpty()
                                        ? "(\\.0+)?"
                                        : "\\." + mantissa.fraction + "0*"));
        return Language.union(plain, withMantissa(exponent(value), form));
    }

    private static Regex fractionAtLeast(String fraction, boolean exclusive) {
        String more = exclusive ? "\\d*[1-9]\\d*" : "\\d*";
        if (fraction.isEmpty()) {
            return exclusive ? syntax("\\." + more) : syntax("(\\.\\d+)?");
        }
        var options = new StringBuilder("\\.(");
        for (int i = 0; i < fraction.length(); i++) {
            if (fraction.charAt(i) < '9') {
                options.append(fraction, 0, i)
                        .append("[%c-9]\\d*|".formatted(fraction.charAt(i) + 1));
            }
        }
        return syntax(options + fraction + more + ")");
    }

    private static Regex fractionAtMost(String fraction, boolean exclusive) {
        if (fraction.isEmpty()) {
            return exclusive ? Language.NOTHING : syntax("(\\.0+)?");
        }
        var options = new StringBuilder("(\\.(");
        for (int i = 0; i < fraction.length(); i++) {
            if (fraction.charAt(i) > '0') {
                options.append(fraction, 0, i)
                        .append("[0-%c]\\d*|".formatted(fraction.charAt(i) - 1));
            }
            if (i > 0) {
                options.append(fraction, 0, i).append('|');
            }
        }
        if (exclusive) {
            options.setLength(options.length() - 1);
            return syntax(options + "))?");
        }
        return syntax(options + fraction + "0*))?");
    }

    /// Any mantissa with an exponent of `[from, to]` that may be written.
    private static Regex exponents(int from, int to) {
        return Language.union(
                Language.sequence(
                        syntax("[1-9](\\.\\d{1,16})?[eE]\\+?"),
                        between(Math.max(SMALLEST_LARGE, from), Math.min(to, LARGEST))),
                Language.sequence(
                        syntax("[1-9](\\.\\d{1,17})?[eE]-0*"),
                        between(Math.max(1, -to), Math.min(-from, MOST_NEGATIVE))));
    }

    private static Regex withMantissa(int exponent, Regex mantissa) {
        if (exponent >= SMALLEST_LARGE && exponent <= LARGEST) {
            return Language.sequence(
                    Language.intersection(mantissa, syntax("\\d(\\.\\d{1,16})?")),
                    syntax("[eE]\\+?" + exponent));
        }
        if (exponent <= -1 && exponent >= -MOST_NEGATIVE) {
            return Language.sequence(
                    Language.intersection(mantissa, syntax("\\d(\\.\\d{1,17})?")),
                    syntax("[eE]-0*" + -exponent));
        }
        return Language.NOTHING;
    }

    /// Whole numbers of `[from, to]`, `from` above zero.
    private static Regex between(int from, int to) {
        if (from > to) {
            return Language.NOTHING;
        }
        Regex upTo = Language.union(wholeBelow(Integer.toString(to + 1), ""));
        Regex below = Language.union(wholeBelow(Integer.toString(from), ""));
        return Language.intersection(upTo, Language.complement(below));
    }

    private static int exponent(BigDecimal value) {
        return value.precision() - value.scale() - 1;
    }

    private static BigDecimal mantissa(BigDecimal value) {
        return value.movePointLeft(exponent(value));
    }

    /// A magnitude before and behind its point, without zeros at the ends.
    private record Digits(String whole, String fraction) {
        static Digits of(BigDecimal value) {
            String plain = value.stripTrailingZeros().toPlainString();
            int point = plain.indexOf('.');
            return point < 0
                    ? new Digits(plain, "")
                    : new Digits(plain.substring(0, point), plain.substring(point + 1));
        }
    }
}
