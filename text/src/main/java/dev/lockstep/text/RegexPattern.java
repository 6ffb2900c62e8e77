// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.nio.CharBuffer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/// Any other regular expression, matched by the JDK's engine within a step budget.
///
/// That engine backtracks, so the characters that it reads are counted: beyond a base amount and a
/// fixed number per character, the text is refused, which prevents a request that never ends.
final class RegexPattern implements TokenPattern {
    private static final int STEPS_PER_CHARACTER = 200;
    private static final int FREE_STEPS = 1_000_000;

    /// A script name without prefix; the JDK requires the prefix `Is`.
    private static final Pattern SCRIPT = Pattern.compile("\\\\p\\{([A-Z][a-z]{2,})}");

    private final Pattern pattern;

    /// Compiles an expression; refuses syntax that the JDK interprets differently from tokenizer
    /// files.
    RegexPattern(String expression) {
        if (expression.contains("[[:")
                || expression.contains("\\h")
                || expression.contains("\\H")) {
            throw new IllegalArgumentException(
                    "pattern '" + expression + "' uses classes that are not supported");
        }
        try {
            pattern =
                    Pattern.compile(
                            SCRIPT.matcher(expression).replaceAll("\\\\p{Is$1}"),
                            Pattern.UNICODE_CHARACTER_CLASS
                                    | Pattern.MULTILINE
                                    | Pattern.UNIX_LINES);
        } catch (StackOverflowError e) {
            throw new IllegalArgumentException("a pattern is nested too deeply", e);
        } catch (PatternSyntaxException e) {
            throw new IllegalArgumentException(
                    "pattern '" + expression + "' is not supported: " + e.getDescription(), e);
        }
    }

    @Override
    public void find(char[] text, int from, int to, IntList matches) {
        Matcher matcher =
                pattern.matcher(
                        new Counted(CharBuffer.wrap(text, from, to - from), new Budget(to - from)));
        try {
            while (matcher.find()) {
                if (matcher.end() > matcher.start()) {
                    matches.add(from + matcher.start());
                    matches.add(from + matcher.end());
                }
            }
        } catch (StackOverflowError e) {
            throw tooHard(to - from, e);
        }
    }

    private static IllegalArgumentException tooHard(int length, Throwable cause) {
        return new IllegalArgumentException(
                "the tokenizer's pattern takes too many steps on "
                        + length
                        + " characters; split the text",
                cause);
    }

    private static final class Budget {
        private final int length;
        private long left;

        Budget(int length) {
            this.length = length;
            left = FREE_STEPS + (long) length * STEPS_PER_CHARACTER;
        }

        void spend() {
            if (--left < 0) {
                throw tooHard(length, new ArithmeticException("out of steps"));
            }
        }
    }

    private record Counted(CharSequence text, Budget budget) implements CharSequence {
        @Override
        public char charAt(int index) {
            budget.spend();
            return text.charAt(index);
        }

        @Override
        public int length() {
            return text.length();
        }

        @Override
        public CharSequence subSequence(int start, int end) {
            return text.subSequence(start, end);
        }

        @Override
        public String toString() {
            return text.toString();
        }
    }
}
