// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// The words of cl100k and its descendants (Llama 3, Qwen 2): contractions in any case, groups of
/// at most `digits` digits, line breaks attached to the preceding symbols or white space.
///
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
/// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`. With `marksInWords` every `\p{L}` that is
/// repeated or excluded from symbols is `[\p{L}\p{M}]` (Qwen 3.5).
record Cl100kPattern(int digits, boolean contractions, boolean marksInWords)
        implements CoveringPattern {
    Cl100kPattern {
        if (digits < 1) {
            throw new IllegalArgumentException("digits " + digits + " is below 1");
        }
    }

    @Override
    public int wordEnd(char[] text, int start, int to) {
        if (contractions && text[start] == '\'') {
            int contraction = Contraction.length(text, start, to, true);
            if (contraction > 0) {
                return start + contraction;
            }
        }
        int letters = Characters.LETTER | (marksInWords ? Characters.MARK : 0);
        int first = Characters.codePoint(text, start, to);
        int mask = Characters.mask(first);
        int next = start + Character.charCount(first);
        boolean mayLead =
                (mask & (Characters.LETTER | Characters.NUMBER)) == 0
                        && !Characters.isCrLf(text[start]);
        if (mayLead && next < to && Characters.is(Characters.codePoint(text, next, to), letters)) {
            return Characters.runEnd(text, next, to, letters);
        }
        if ((mask & letters) != 0) {
            return Characters.runEnd(text, start, to, letters);
        }
        if ((mask & Characters.NUMBER) != 0) {
            return digitsEnd(text, start, to, digits);
        }
        int symbols = ~(letters | Characters.NUMBER | Characters.SPACE);
        int symbolStart = first == ' ' ? next : start;
        int symbolEnd = Characters.runEnd(text, symbolStart, to, symbols);
        if (symbolEnd > symbolStart) {
            return lineBreaksEnd(text, symbolEnd, to);
        }
        return spaceEnd(text, start, to);
    }

    static int digitsEnd(char[] text, int start, int to, int maxDigits) {
        int end = start;
        for (int i = 0; i < maxDigits && end < to; i++) {
            int codePoint = Characters.codePoint(text, end, to);
            if (!Characters.is(codePoint, Characters.NUMBER)) {
                break;
            }
            end += Character.charCount(codePoint);
        }
        return end;
    }

    static int lineBreaksEnd(char[] text, int start, int to) {
        int end = start;
        while (end < to && Characters.isCrLf(text[end])) {
            end++;
        }
        return end;
    }

    /// Returns the end of `\s*[\r\n]+|\s+(?!\S)|\s+`: after the run's last line break, otherwise as
    /// GPT-2.
    static int spaceEnd(char[] text, int start, int to) {
        int end = Characters.runEnd(text, start, to, Characters.SPACE);
        for (int i = end - 1; i >= start; i--) {
            if (Characters.isCrLf(text[i])) {
                return i + 1;
            }
        }
        return end == to || end - start == 1 ? end : end - 1;
    }
}
