// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// DeepSeek V3's words, after its digits and ideographs have been split off.
///
/// One ASCII punctuation character with `[A-Za-z]+`, then `[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
/// ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`; any other text stays between the matches.
record DeepSeek3Pattern() implements TokenPattern {
    private static final int WORD = Characters.LETTER | Characters.MARK;
    private static final int SYMBOLS = Characters.PUNCTUATION | Characters.SYMBOL;

    @Override
    public void find(char[] text, int from, int to, IntList matches) {
        int start = from;
        while (start < to) {
            int end = wordEnd(text, start, to);
            if (end == start) {
                start += Character.charCount(Characters.codePoint(text, start, to));
            } else {
                matches.add(start);
                matches.add(end);
                start = end;
            }
        }
    }

    private static int wordEnd(char[] text, int start, int to) {
        int first = Characters.codePoint(text, start, to);
        int next = start + Character.charCount(first);
        if (Characters.isAsciiPunctuation(first) && next < to && isAsciiLetter(text[next])) {
            return asciiLettersEnd(text, next, to);
        }
        boolean mayLead =
                !Characters.is(first, Characters.LETTER | SYMBOLS)
                        && !Characters.isCrLf(text[start]);
        int end = mayLead ? Characters.runEnd(text, next, to, WORD) : next;
        if (end > next) {
            return end;
        }
        end = Characters.runEnd(text, start, to, WORD);
        if (end > start) {
            return end;
        }
        int symbolStart = first == ' ' ? next : start;
        int symbolEnd = Characters.runEnd(text, symbolStart, to, SYMBOLS);
        if (symbolEnd > symbolStart) {
            return Cl100kPattern.lineBreaksEnd(text, symbolEnd, to);
        }
        return Characters.is(first, Characters.SPACE)
                ? Cl100kPattern.spaceEnd(text, start, to)
                : start;
    }

    private static int asciiLettersEnd(char[] text, int from, int to) {
        int end = from;
        while (end < to && isAsciiLetter(text[end])) {
            end++;
        }
        return end;
    }

    private static boolean isAsciiLetter(char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    }
}
