// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import java.math.BigDecimal;
import java.math.BigInteger;

/// Arithmetic of whole numbers without overflow and of floating-point numbers, with the rounding
/// rules of the dialect's host language.
///
/// Divisions of whole numbers round down; a result of more than [#BITS] bits is refused.
final class Numbers {
    private static final int BITS = 4096;

    private Numbers() {}

    static Object integer(BigInteger value) {
        if (value.bitLength() > BITS) {
            throw new TemplateException("a whole number of more than " + BITS + " bits");
        }
        return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
    }

    /// Converts digits to a number; refuses a text too long for [#BITS] before converting it.
    static Object parseInteger(String digits) {
        if (digits.length() > BITS / 3) {
            throw new TemplateException("a whole number of " + digits.length() + " digits");
        }
        return integer(new BigInteger(digits));
    }

    static boolean isNumber(Object value) {
        return value instanceof Long
                || value instanceof Double
                || value instanceof Boolean
                || value instanceof BigInteger;
    }

    /// Returns a boolean as 0 or 1, any other value unchanged.
    static Object widened(Object value) {
        return value instanceof Boolean truth ? (Object) (truth ? 1L : 0L) : value;
    }

    static BigInteger big(Object number) {
        return number instanceof BigInteger big ? big : BigInteger.valueOf((Long) number);
    }

    static double real(Object number) {
        return number instanceof BigInteger big
                ? big.doubleValue()
                : ((Number) number).doubleValue();
    }

    static Object add(Object left, Object right) {
        if (left instanceof Double || right instanceof Double) {
            return real(left) + real(right);
        }
        return integer(big(left).add(big(right)));
    }

    static Object subtract(Object left, Object right) {
        if (left instanceof Double || right instanceof Double) {
            return real(left) - real(right);
        }
        return integer(big(left).subtract(big(right)));
    }

    static Object multiply(Object left, Object right) {
        if (left instanceof Double || right instanceof Double) {
            return real(left) * real(right);
        }
        return integer(big(left).multiply(big(right)));
    }

    static Object divide(Object left, Object right) {
        requireDivisor(right, "division by zero");
        return real(left) / real(right);
    }

    static Object floorDivide(Object left, Object right) {
        requireDivisor(right, "integer division or modulo by zero");
        if (left instanceof Double || right instanceof Double) {
            double remainder = (double) remainder(left, right);
            double quotient = (real(left) - remainder) / real(right);
            return quotient == 0
                    ? Math.copySign(0.0, real(left) / real(right))
                    : Math.rint(quotient);
        }
        BigInteger[] parts = big(left).divideAndRemainder(big(right));
        boolean rounds = parts[1].signum() != 0 && parts[1].signum() != big(right).signum();
        return integer(rounds ? parts[0].subtract(BigInteger.ONE) : parts[0]);
    }

    static Object remainder(Object left, Object right) {
        requireDivisor(right, "integer modulo by zero");
        if (left instanceof Double || right instanceof Double) {
            double divisor = real(right);
            double remainder = real(left) % divisor;
            if (remainder == 0) {
                return Math.copySign(0.0, divisor);
            }
            return (remainder < 0) == (divisor < 0) ? remainder : remainder + divisor;
        }
        BigInteger remainder = big(left).remainder(big(right));
        boolean rounds = remainder.signum() != 0 && remainder.signum() != big(right).signum();
        return integer(rounds ? remainder.add(big(right)) : remainder);
    }

    static Object power(Object left, Object right) {
        if (left instanceof Double || right instanceof Double || big(right).signum() < 0) {
            double base = real(left);
            if (base == 0 && real(right) < 0) {
                throw new TemplateException("0.0 cannot be raised to a negative power");
            }
            double result = Math.pow(base, real(right));
            boolean overflows = Double.isInfinite(result) && !Double.isInfinite(base);
            if (overflows || (Double.isNaN(result) && base < 0)) {
                throw new TemplateException("numerical result out of range");
            }
            return result;
        }
        BigInteger exponent = big(right);
        long bits = (long) big(left).bitLength() * Math.min(BITS + 1, exponent.longValue());
        if (big(left).bitLength() > 1 && (exponent.bitLength() > 31 || bits > 2 * BITS)) {
            throw new TemplateException("a whole number of more than " + BITS + " bits");
        }
        int small =
                exponent.bitLength() > 31 ? 2 + (exponent.testBit(0) ? 1 : 0) : exponent.intValue();
        return integer(big(left).pow(small));
    }

    /// Returns a floating-point number without its fraction.
    static Object truncated(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            throw new TemplateException("cannot convert float " + text(value) + " to integer");
        }
        return integer(new BigDecimal(value).toBigInteger());
    }

    private static void requireDivisor(Object right, String failure) {
        if (real(right) == 0) {
            throw new TemplateException(
                    right instanceof Double ? "float division by zero" : failure);
        }
    }

    /// Compares numbers of all kinds without losing digits; callers check for NaN, which is
    /// unordered.
    static int compare(Object left, Object right) {
        if (left instanceof Double || right instanceof Double) {
            double a = real(left);
            double b = real(right);
            boolean exact = a == b && Math.abs(a) >= 1L << 53 && !Double.isInfinite(a);
            return exact
                    ? decimal(left).compareTo(decimal(right))
                    : Double.compare(a + 0.0, b + 0.0);
        }
        return big(left).compareTo(big(right));
    }

    private static BigDecimal decimal(Object number) {
        return number instanceof Double real ? new BigDecimal(real) : new BigDecimal(big(number));
    }

    /// Returns the shortest digits that parse to the same number, with an exponent from 1e16 up and
    /// below 1e-4.
    static String text(double value) {
        if (Double.isNaN(value)) {
            return "nan";
        }
        if (Double.isInfinite(value)) {
            return value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        BigDecimal shortest = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            String plain = shortest.toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        String digits = shortest.unscaledValue().abs().toString();
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        String sign = value < 0 ? "-" : "";
        String power =
                (exponent < 0 ? "-" : "+")
                        + (Math.abs(exponent) < 10 ? "0" : "")
                        + Math.abs(exponent);
        return sign + digits.charAt(0) + fraction + "e" + power;
    }
}
