// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Dialect;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;

/// Plain numbers that are multiples of a number.
///
/// A number with `s` digits behind its point is a multiple of `n / 10^s` if its digits without the
/// point are a multiple of `n`. The factors 2 and 5 of `n` only look at the last digits; for what
/// remains the automaton of remainders is turned into an expression.
final class Multiples {
    /// The largest factor without 2 and 5; expressions grow fast with it.
    private static final int MAX_FACTOR = 7;

    /// The most last digits that are looked at, and the most ways that they may end.
    private static final int MAX_LAST = 10;

    private static final int MAX_ENDINGS = 1_000;

    private Multiples() {}

    private static Regex syntax(String pattern) {
        return RegexSyntax.whole(pattern, Dialect.ECMA_262);
    }

    /// Whether 1 is a multiple.
    static boolean dividesOne(BigDecimal of) {
        return BigDecimal.ONE.remainder(of).signum() == 0;
    }

    /// All plain multiples; [Language#NOTHING] if there is no expression of theirs.
    static Regex of(BigDecimal of) {
        BigDecimal plain = of.stripTrailingZeros();
        int behind = Math.max(0, plain.scale());
        BigInteger digits = plain.movePointRight(behind).toBigIntegerExact();
        if (digits.bitLength() > 40 || behind > MAX_LAST) {
            return Language.NOTHING;
        }
        // With j digits behind the point, the missing ones are zeros and bring their factors.
        var options = new ArrayList<Regex>();
        for (int j = 0; j <= behind; j++) {
            BigInteger missing = BigInteger.TEN.pow(behind - j);
            Regex multiples = digits(digits.divide(digits.gcd(missing)).longValueExact());
            if (multiples.equals(Language.NOTHING)) {
                return Language.NOTHING;
            }
            Regex form = syntax("(0|[1-9]\\d*)" + (j == 0 ? "" : "\\.\\d{%d}".formatted(j)));
            Regex end = j < behind ? Language.EMPTY : syntax(j == 0 ? "(\\.0+)?" : "0*");
            options.add(Language.sequence(Language.intersection(form, multiples), end));
        }
        return Language.sequence(Language.optional(Language.text("-")), Language.union(options));
    }

    /// Digits, with points anywhere, that are a multiple.
    private static Regex digits(long of) {
        long rest = of;
        int last = 0;
        long ending = 1;
        for (int prime : new int[] {2, 5}) {
            int power = 0;
            for (; rest % prime == 0; rest /= prime) {
                power++;
                ending *= prime;
            }
            last = Math.max(last, power);
        }
        if (rest > MAX_FACTOR || last > MAX_LAST || Math.pow(10, last) / ending > MAX_ENDINGS) {
            return Language.NOTHING;
        }
        Regex byEnd = last == 0 ? Language.EVERYTHING : endings(ending, last);
        Regex byRemainder = rest == 1 ? Language.EVERYTHING : remainders((int) rest);
        return Language.intersection(syntax("[\\d.]*"), byEnd, byRemainder);
    }

    private static Regex endings(long of, int last) {
        var options = new ArrayList<Regex>();
        Regex point = syntax("\\.?");
        long bound = (long) Math.pow(10, last);
        for (long value = 0; value < bound; value += of) {
            String padded = "0".repeat(last) + value;
            String text = padded.substring(padded.length() - last);
            var end = new ArrayList<Regex>();
            text.chars().forEach(c -> Collections.addAll(end, Language.text("" + (char) c), point));
            options.add(Language.sequence(syntax("[\\d.]*"), Language.sequence(end)));
            // What is shorter has zeros before it in mind.
            for (int i = 0; i < last - 1 && text.charAt(i) == '0'; i++) {
                options.add(Language.sequence(end.subList(2 * (i + 1), end.size())));
            }
        }
        return Language.union(options);
    }

    /// The automaton whose states are remainders, its states but the first taken out one by one.
    private static Regex remainders(int of) {
        Regex[][] between = new Regex[of][of];
        for (int from = 0; from < of; from++) {
            for (int to = 0; to < of; to++) {
                var options = new ArrayList<Regex>();
                for (int digit = 0; digit < 10; digit++) {
                    if ((10 * from + digit) % of == to) {
                        options.add(Language.text("" + digit));
                    }
                }
                if (from == to) {
                    options.add(Language.text("."));
                }
                between[from][to] = Language.union(options);
            }
        }
        for (int out = of - 1; out > 0; out--) {
            Regex stay = Language.repeat(between[out][out], 0, Regex.UNBOUNDED);
            for (int from = 0; from < out; from++) {
                for (int to = 0; to < out; to++) {
                    between[from][to] =
                            Language.union(
                                    between[from][to],
                                    Language.sequence(between[from][out], stay, between[out][to]));
                }
            }
        }
        return Language.repeat(between[0][0], 0, Regex.UNBOUNDED);
    }
}
