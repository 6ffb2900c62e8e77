// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.Filters.Filter;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;

/// Filters that yield numbers.
final class NumberFilters {
    static final Map<String, Filter> ALL =
            Map.of(
                    "abs", NumberFilters::absolute,
                    "int", NumberFilters::integer,
                    "float", NumberFilters::real,
                    "round", NumberFilters::round);

    private static final Pattern REAL =
            Pattern.compile("[-+]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][-+]?\\d+)?");
    private static final int MAX_DIGITS = 1_000;

    private NumberFilters() {}

    private static Object number(Object input, String function) {
        if (input instanceof Undefined missing) {
            throw missing.used();
        }
        if (!Numbers.isNumber(input)) {
            throw new TemplateException(
                    "bad operand type for " + function + "(): '" + Values.typeName(input) + "'");
        }
        return Numbers.widened(input);
    }

    private static Object absolute(Object input, CallArguments arguments, Budget budget) {
        arguments.bind("abs");
        Object number = number(input, "abs");
        return number instanceof Double real
                ? (Object) Math.abs(real)
                : Numbers.integer(Numbers.big(number).abs());
    }

    private static Object integer(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("int", "default", "base");
        Object fallback = bound.value("default", 0L);
        if (Numbers.isNumber(input)) {
            Object number = Numbers.widened(input);
            boolean finite = !(number instanceof Double real) || Double.isFinite(real);
            return finite
                    ? (number instanceof Double real ? Numbers.truncated(real) : number)
                    : fallback;
        }
        if (!Values.isText(input)) {
            if (input instanceof Undefined missing) {
                throw missing.used();
            }
            return fallback;
        }
        long base = bound.integer("base", 10);
        String text = StringMethods.strip(input.toString(), CharacterTests::isSpace, true, true);
        return whole(text, base)
                .or(() -> parseReal(text).filter(Double::isFinite).map(Numbers::truncated))
                .orElse(fallback);
    }

    private static Optional<Object> whole(String text, long base) {
        if (base < 2 || base > 36 || text.length() > MAX_DIGITS) {
            return Optional.empty();
        }
        String digits = text.replaceAll("(?<=\\w)_(?=\\w)", "");
        String prefix =
                switch ((int) base) {
                    case 16 -> "0[xX]";
                    case 8 -> "0[oO]";
                    case 2 -> "0[bB]";
                    default -> "";
                };
        try {
            return Optional.of(
                    Numbers.integer(
                            new BigInteger(
                                    digits.replaceFirst("^([-+]?)" + prefix, "$1"), (int) base)));
        } catch (NumberFormatException notWhole) {
            return Optional.empty();
        }
    }

    private static Object real(Object input, CallArguments arguments, Budget budget) {
        Object fallback = arguments.bind("float", "default").value("default", 0.0);
        if (Numbers.isNumber(input)) {
            return Numbers.real(Numbers.widened(input));
        }
        if (input instanceof Undefined missing) {
            throw missing.used();
        }
        String text = Values.isText(input) ? input.toString() : "";
        return parseReal(StringMethods.strip(text, CharacterTests::isSpace, true, true))
                .map(value -> (Object) value)
                .orElse(fallback);
    }

    private static Optional<Double> parseReal(String text) {
        String word =
                StringMethods.lower(
                        text.startsWith("-") || text.startsWith("+") ? text.substring(1) : text);
        double sign = text.startsWith("-") ? -1 : 1;
        return switch (word) {
            case "inf", "infinity" -> Optional.of(sign * Double.POSITIVE_INFINITY);
            case "nan" -> Optional.of(Double.NaN);
            default ->
                    text.length() <= MAX_DIGITS && REAL.matcher(text).matches()
                            ? Optional.of(Double.parseDouble(text))
                            : Optional.empty();
        };
    }

    private static Object round(Object input, CallArguments arguments, Budget budget) {
        CallArguments.Bound bound = arguments.bind("round", "precision", "method");
        Object number = number(input, "round");
        long precision = bound.integer("precision", 0);
        String method = bound.text("method", "common");
        if (Math.abs(precision) > MAX_DIGITS) {
            throw new TemplateException(
                    "round() precision " + precision + " exceeds " + MAX_DIGITS);
        }
        if (number instanceof Double real && (Double.isNaN(real) || Double.isInfinite(real))) {
            return number;
        }
        RoundingMode mode =
                switch (method) {
                    case "common" -> RoundingMode.HALF_EVEN;
                    case "ceil" -> RoundingMode.CEILING;
                    case "floor" -> RoundingMode.FLOOR;
                    default -> throw new TemplateException("method must be common, ceil or floor");
                };
        boolean common = mode == RoundingMode.HALF_EVEN;
        BigDecimal exact =
                number instanceof Double real
                        ? (common ? new BigDecimal(real) : new BigDecimal(Double.toString(real)))
                        : new BigDecimal(Numbers.big(number));
        BigDecimal rounded = exact.setScale((int) precision, mode);
        return number instanceof Double || !common
                ? (Object) rounded.doubleValue()
                : Numbers.integer(rounded.toBigInteger());
    }
}
