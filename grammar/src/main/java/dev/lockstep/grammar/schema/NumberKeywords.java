// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import java.math.BigDecimal;
import org.jspecify.annotations.Nullable;

/// Ranges and multiples of numbers.
final class NumberKeywords implements Keywords.KeywordGroup {
    /// Digits before and behind the point of a bound.
    private static final int MAX_WHOLE_DIGITS = 309;

    private static final int MAX_FRACTION_DIGITS = 40;

    @Override
    public Keywords.@Nullable Condition condition(
            Keywords.Place at, String keyword, JsonNode value) {
        return switch (keyword) {
            case "minimum" -> least(number(at, keyword, value), flag(at, "exclusiveMinimum"));
            case "maximum" -> most(number(at, keyword, value), flag(at, "exclusiveMaximum"));
            case "exclusiveMinimum" ->
                    value.isBoolean() ? null : least(number(at, keyword, value), true);
            case "exclusiveMaximum" ->
                    value.isBoolean() ? null : most(number(at, keyword, value), true);
            case "multipleOf" -> multiple(at, number(at, keyword, value));
            default -> null;
        };
    }

    static BigDecimal number(Keywords.Place at, String keyword, JsonNode value) {
        if (!value.isNumber()) {
            throw at.refusal(keyword, "a number is expected");
        }
        BigDecimal number = value.decimalValue();
        if (number.signum() == 0) {
            return BigDecimal.ZERO;
        }
        BigDecimal plain = number.stripTrailingZeros();
        if (plain.precision() - plain.scale() > MAX_WHOLE_DIGITS
                || plain.scale() > MAX_FRACTION_DIGITS) {
            throw at.refusal(
                    keyword,
                    "a number of more than %d digits before or %d behind the point"
                            .formatted(MAX_WHOLE_DIGITS, MAX_FRACTION_DIGITS));
        }
        return plain;
    }

    /// Draft 4 has a boolean beside the bound.
    private static boolean flag(Keywords.Place at, String keyword) {
        JsonNode value = at.schema().path(keyword);
        return value.isBoolean() && value.booleanValue();
    }

    private static Keywords.Condition least(BigDecimal bound, boolean exclusive) {
        return of(NumberText.atLeast(bound, exclusive), NumberText.atMost(bound, !exclusive));
    }

    private static Keywords.Condition most(BigDecimal bound, boolean exclusive) {
        return of(NumberText.atMost(bound, exclusive), NumberText.atLeast(bound, !exclusive));
    }

    private static Keywords.Condition multiple(Keywords.Place at, BigDecimal of) {
        if (of.signum() <= 0) {
            throw at.refusal("multipleOf", "it must be above 0");
        }
        Regex multiples = Multiples.of(of);
        if (multiples.equals(Language.NOTHING)) {
            throw at.refusal(
                    "multipleOf",
                    "multiples of %s are not supported".formatted(of.toPlainString()));
        }
        boolean wholeDivides = Multiples.dividesOne(of);
        return of(
                wholeDivides ? Language.union(multiples, NumberText.large()) : multiples,
                NumberText.plainWithout(multiples));
    }

    private static Keywords.Condition of(Regex allowed, Regex forbidden) {
        return new TypeKeywords.Exact(
                Value.ANY.withNumber(allowed), Value.NONE.withNumber(forbidden));
    }
}
