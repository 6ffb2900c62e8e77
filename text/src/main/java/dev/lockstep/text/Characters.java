// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// Unicode classes of code points as bit masks, so that testing a pattern's class takes one `and`.
///
/// White space is Unicode's White_Space property (`\s` in the pattern dialects of tokenizer files)
/// and has a separate bit: a white-space character has no category bit here.
final class Characters {
    /// A bit that no general category of [Character#getType] uses.
    static final int SPACE = 1 << 17;

    static final int UPPER = 1 << Character.UPPERCASE_LETTER;
    static final int LOWER = 1 << Character.LOWERCASE_LETTER;
    static final int TITLE = 1 << Character.TITLECASE_LETTER;
    static final int UNCASED = 1 << Character.MODIFIER_LETTER | 1 << Character.OTHER_LETTER;
    static final int LETTER = UPPER | LOWER | TITLE | UNCASED;
    static final int MARK =
            1 << Character.NON_SPACING_MARK
                    | 1 << Character.ENCLOSING_MARK
                    | 1 << Character.COMBINING_SPACING_MARK;
    static final int DECIMAL = 1 << Character.DECIMAL_DIGIT_NUMBER;
    static final int NUMBER = DECIMAL | 1 << Character.LETTER_NUMBER | 1 << Character.OTHER_NUMBER;
    static final int PUNCTUATION =
            1 << Character.DASH_PUNCTUATION
                    | 1 << Character.START_PUNCTUATION
                    | 1 << Character.END_PUNCTUATION
                    | 1 << Character.CONNECTOR_PUNCTUATION
                    | 1 << Character.OTHER_PUNCTUATION
                    | 1 << Character.INITIAL_QUOTE_PUNCTUATION
                    | 1 << Character.FINAL_QUOTE_PUNCTUATION;
    static final int SYMBOL =
            1 << Character.MATH_SYMBOL
                    | 1 << Character.CURRENCY_SYMBOL
                    | 1 << Character.MODIFIER_SYMBOL
                    | 1 << Character.OTHER_SYMBOL;
    static final int CONTROL = 1 << Character.CONTROL;

    private static final int[] BASIC_PLANE = new int[0x1_0000];

    static {
        for (int c = 0; c < BASIC_PLANE.length; c++) {
            BASIC_PLANE[c] = isSpace(c) ? SPACE : 1 << Character.getType(c);
        }
    }

    private Characters() {}

    static int mask(int codePoint) {
        return codePoint < BASIC_PLANE.length
                ? BASIC_PLANE[codePoint]
                : 1 << Character.getType(codePoint);
    }

    static boolean is(int codePoint, int classes) {
        return (mask(codePoint) & classes) != 0;
    }

    /// Returns the code point at `index` of the piece that ends at `to`; an unpaired surrogate is
    /// returned unchanged.
    static int codePoint(char[] text, int index, int to) {
        char high = text[index];
        if (Character.isHighSurrogate(high)
                && index + 1 < to
                && Character.isLowSurrogate(text[index + 1])) {
            return Character.toCodePoint(high, text[index + 1]);
        }
        return high;
    }

    /// Returns the end of the run of these classes that starts at `from`, at most `to`.
    static int runEnd(char[] text, int from, int to, int classes) {
        int i = from;
        while (i < to) {
            int codePoint = codePoint(text, i, to);
            if (!is(codePoint, classes)) {
                return i;
            }
            i += Character.charCount(codePoint);
        }
        return i;
    }

    /// Returns whether the code point is one of ASCII's `! … / : … @ [ … \` { … ~`, whatever its
    /// category.
    static boolean isAsciiPunctuation(int codePoint) {
        return codePoint > ' '
                && codePoint < 0x7F
                && !(codePoint >= '0' && codePoint <= '9')
                && !(codePoint >= 'A' && codePoint <= 'Z')
                && !(codePoint >= 'a' && codePoint <= 'z');
    }

    static boolean isCrLf(char c) {
        return c == '\r' || c == '\n';
    }

    private static boolean isSpace(int c) {
        return (c >= 0x09 && c <= 0x0D)
                || c == 0x20
                || c == 0x85
                || c == 0xA0
                || c == 0x1680
                || (c >= 0x2000 && c <= 0x200A)
                || c == 0x2028
                || c == 0x2029
                || c == 0x202F
                || c == 0x205F
                || c == 0x3000;
    }
}
