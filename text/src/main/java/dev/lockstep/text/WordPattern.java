// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// The pattern `\w+|[^\w\s]+`: words, and runs of characters that are neither word nor white space.
///
/// @param oniguruma whether a file writes the pattern, for Oniguruma, whose `\w` contains no joiner
///   and, outside brackets only, six numbers of Latin-1; the `Whitespace` pre-tokenizer has another
///   engine
record WordPattern(boolean oniguruma) implements TokenPattern {
    private static final int WORD =
            Characters.MARK | Characters.DECIMAL | 1 << Character.CONNECTOR_PUNCTUATION;

    @Override
    public void find(char[] text, int from, int to, IntList matches) {
        int start = from;
        while (start < to) {
            int codePoint = Characters.codePoint(text, start, to);
            int end = start + Character.charCount(codePoint);
            if (!Characters.is(codePoint, Characters.SPACE)) {
                end = runEnd(text, end, to, startsWord(codePoint));
                matches.add(start);
                matches.add(end);
            }
            start = end;
        }
    }

    private boolean startsWord(int codePoint) {
        return oniguruma ? isOnigurumaWord(codePoint) : isWord(codePoint);
    }

    private boolean continues(int codePoint, boolean word) {
        if (!oniguruma) {
            return isWord(codePoint) == word;
        }
        return word ? isOnigurumaWord(codePoint) : !isLetterOrDigit(codePoint);
    }

    private int runEnd(char[] text, int from, int to, boolean word) {
        int end = from;
        while (end < to) {
            int codePoint = Characters.codePoint(text, end, to);
            if (!continues(codePoint, word) || Characters.is(codePoint, Characters.SPACE)) {
                break;
            }
            end += Character.charCount(codePoint);
        }
        return end;
    }

    /// Returns whether `\w` matches in Unicode: alphabetic, marks, decimal digits, connectors and
    /// the two joiners.
    static boolean isWord(int codePoint) {
        return isLetterOrDigit(codePoint) || codePoint == 0x200C || codePoint == 0x200D;
    }

    private static boolean isOnigurumaWord(int codePoint) {
        return isLetterOrDigit(codePoint)
                || (codePoint < 0x100 && Characters.is(codePoint, 1 << Character.OTHER_NUMBER));
    }

    private static boolean isLetterOrDigit(int codePoint) {
        return Character.isAlphabetic(codePoint) || Characters.is(codePoint, WORD);
    }
}
