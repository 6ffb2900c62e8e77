// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The layout of one value: `[[fill]align][sign][#][0][width][grouping][.precision][type]`.
record FormatSpec(
        String fill,
        char align,
        char sign,
        boolean alternate,
        long width,
        Optional<String> grouping,
        OptionalInt precision,
        char type) {
    private static final Pattern GRAMMAR =
            Pattern.compile(
                    "(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?(\\d{1,9})?([,_])?(?:\\.(\\d{1,9}))?([bcdeEfFgGnosxX%])?",
                    Pattern.DOTALL);
    private static final int MAX_DIGITS = 1_000;

    static FormatSpec parse(String text) {
        Matcher matcher = GRAMMAR.matcher(text);
        if (!matcher.matches()) {
            throw new TemplateException("invalid format specifier '" + text + "'");
        }
        boolean zero = matcher.group(5) != null;
        String fill = matcher.group(1);
        String align = matcher.group(2);
        String sign = matcher.group(3);
        String width = matcher.group(6);
        String precision = matcher.group(8);
        String type = matcher.group(9);
        return new FormatSpec(
                fill != null ? fill : zero ? "0" : " ",
                align != null ? align.charAt(0) : zero ? '=' : 0,
                sign != null ? sign.charAt(0) : '-',
                matcher.group(4) != null,
                width != null ? Long.parseLong(width) : 0,
                Optional.ofNullable(matcher.group(7)),
                precision != null
                        ? OptionalInt.of(Integer.parseInt(precision))
                        : OptionalInt.empty(),
                type != null ? type.charAt(0) : 0);
    }

    String text(String value, Budget budget) {
        if (type != 0 && type != 's') {
            throw unknown("str");
        }
        int maxLength = precision.orElse(Integer.MAX_VALUE);
        int length = value.codePointCount(0, value.length());
        String cut =
                maxLength < length
                        ? value.substring(0, value.offsetByCodePoints(0, maxLength))
                        : value;
        if (align == '=' && !fill.equals("0")) {
            throw new TemplateException("'=' alignment not allowed in string format specifier");
        }
        return pad("", cut, align == 0 || align == '=' ? '<' : align, budget);
    }

    String number(Object value, Budget budget) {
        boolean real = value instanceof Double || isOneOf("eEfFgG%");
        if (type == 's' || (real && isOneOf("bcdoxX"))) {
            throw unknown(Values.typeName(value));
        }
        String digits = real ? real(Numbers.real(value)) : whole(Numbers.big(value));
        boolean negative = digits.startsWith("-");
        String prefix = negative ? "-" : sign == '-' ? "" : Character.toString(sign);
        return pad(
                prefix,
                grouped(negative ? digits.substring(1) : digits),
                align == 0 ? '>' : align,
                budget);
    }

    private boolean isOneOf(String types) {
        return type != 0 && types.indexOf(type) >= 0;
    }

    private TemplateException unknown(String typeName) {
        return new TemplateException(
                "unknown format code '" + type + "' for object of type '" + typeName + "'");
    }

    private String whole(BigInteger value) {
        if (precision.isPresent()) {
            throw new TemplateException("precision not allowed in integer format specifier");
        }
        String marker = alternate && isOneOf("boxX") ? "0" + type : "";
        String digits =
                switch (type) {
                    case 'b' -> value.abs().toString(2);
                    case 'o' -> value.abs().toString(8);
                    case 'x' -> value.abs().toString(16);
                    case 'X' -> StringMethods.upper(value.abs().toString(16));
                    case 'c' -> character(value);
                    default -> value.abs().toString();
                };
        return (value.signum() < 0 ? "-" : "") + marker + digits;
    }

    private static String character(BigInteger value) {
        if (value.signum() < 0
                || value.bitLength() > 31
                || !Character.isValidCodePoint(value.intValue())) {
            throw new TemplateException("the character " + value + " is not in range(0x110000)");
        }
        return Character.toString(value.intValue());
    }

    private String real(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return Numbers.text(value) + (type == '%' ? "%" : "");
        }
        int digits = precision.orElse(6);
        if (digits > MAX_DIGITS) {
            throw new TemplateException(
                    "a precision of " + digits + " digits exceeds " + MAX_DIGITS);
        }
        var exact = new BigDecimal(value);
        String sign = value < 0 || 1 / value < 0 ? "-" : "";
        BigDecimal magnitude = exact.abs();
        return sign
                + switch (type) {
                    case 'f', 'F' -> fixed(magnitude, digits);
                    case '%' -> fixed(magnitude.movePointRight(2), digits) + "%";
                    case 'e' -> scientific(magnitude, digits);
                    case 'E' -> StringMethods.upper(scientific(magnitude, digits));
                    case 'g', 'n' -> general(magnitude, digits, false);
                    case 'G' -> StringMethods.upper(general(magnitude, digits, false));
                    default ->
                            precision.isEmpty()
                                    ? Numbers.text(Math.abs(value))
                                    : general(magnitude, digits, true);
                };
    }

    private static String fixed(BigDecimal magnitude, int digits) {
        return magnitude.setScale(digits, RoundingMode.HALF_EVEN).toPlainString();
    }

    private static String scientific(BigDecimal magnitude, int digits) {
        BigDecimal rounded = round(magnitude, digits + 1);
        int exponent = exponent(rounded);
        String mantissa = fixed(rounded.movePointLeft(exponent), digits);
        return mantissa
                + "e"
                + (exponent < 0 ? "-" : "+")
                + (Math.abs(exponent) < 10 ? "0" : "")
                + Math.abs(exponent);
    }

    private static BigDecimal round(BigDecimal magnitude, int significant) {
        return magnitude.round(new MathContext(significant, RoundingMode.HALF_EVEN));
    }

    private static int exponent(BigDecimal magnitude) {
        return magnitude.signum() == 0 ? 0 : magnitude.precision() - magnitude.scale() - 1;
    }

    /// Returns fixed or scientific notation, depending on the exponent, without trailing zeros.
    private static String general(BigDecimal magnitude, int digits, boolean keepsPoint) {
        int significant = Math.max(1, digits);
        BigDecimal rounded = round(magnitude, significant);
        int exponent = exponent(rounded);
        BigDecimal bare = rounded.signum() == 0 ? BigDecimal.ZERO : rounded.stripTrailingZeros();
        if (exponent >= -4 && exponent < significant - (keepsPoint ? 1 : 0)) {
            String plain = bare.toPlainString();
            return keepsPoint && plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        return scientific(rounded, bare.precision() - 1);
    }

    private String grouped(String digits) {
        if (grouping.isEmpty()) {
            return digits;
        }
        int end = 0;
        while (end < digits.length() && Character.isDigit(digits.charAt(end))) {
            end++;
        }
        var grouped = new StringBuilder(digits);
        for (int at = end - 3; at > 0; at -= 3) {
            grouped.insert(at, grouping.get());
        }
        return grouped.toString();
    }

    private String pad(String prefix, String body, char side, Budget budget) {
        long missing = TextPadding.missing(prefix + body, width);
        return switch (side) {
            case '<' -> TextPadding.fill(prefix + body, fill, 0, missing, budget);
            case '^' ->
                    TextPadding.fill(
                            prefix + body, fill, missing / 2, missing - missing / 2, budget);
            case '=' -> prefix + TextPadding.fill(body, fill, missing, 0, budget);
            default -> TextPadding.fill(prefix + body, fill, missing, 0, budget);
        };
    }
}
