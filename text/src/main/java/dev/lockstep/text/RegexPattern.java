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

    private final Pattern pattern;

    /// Compiles an expression of a tokenizer file; refuses syntax that the JDK does not have.
    RegexPattern(String expression) {
        try {
            pattern =
                    Pattern.compile(
                            OnigurumaSyntax.toJava(expression),
                            Pattern.UNICODE_CASE | Pattern.MULTILINE | Pattern.UNIX_LINES);
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
            int done = -1;
            int next = 0;
            while (next <= to - from && matcher.find(next)) {
                int start = from + matcher.start();
                int end = from + matcher.end();
                if (isInCharacter(text, from, start, to)) {
                    next = matcher.start() + 1;
                    continue;
                }
                // An empty match right after another match does not count.
                if (start < end || start > done) {
                    matches.add(start);
                    matches.add(end);
                    done = end;
                }
                next = matcher.end() + (start < end ? 0 : width(text, end, to));
            }
        } catch (StackOverflowError e) {
            throw tooHard(to - from, e);
        }
    }

    /// Returns whether the index lies between the halves of one character.
    private static boolean isInCharacter(char[] text, int from, int index, int to) {
        return index > from
                && index < to
                && Character.isSurrogatePair(text[index - 1], text[index]);
    }

    private static int width(char[] text, int at, int to) {
        return at < to ? Character.charCount(Characters.codePoint(text, at, to)) : 1;
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
