// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// The words of o200k and its descendants (GPT-4o, Llama 4, Mistral's Tekken): as cl100k, with a
/// word boundary where lower case changes to upper case.
///
/// With U = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`, L = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]` and c a contraction:
/// `[^\r\n\p{L}\p{N}]?U*L+c?|[^\r\n\p{L}\p{N}]?U+L*c?|\p{N}{1,3}|
/// ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
record O200kPattern(int digits, boolean contractions) implements CoveringPattern {
    private static final int UPPER =
            Characters.UPPER | Characters.TITLE | Characters.UNCASED | Characters.MARK;
    private static final int LOWER = Characters.LOWER | Characters.UNCASED | Characters.MARK;
    private static final int OTHER = ~(Characters.LETTER | Characters.NUMBER | Characters.SPACE);

    @Override
    public int wordEnd(char[] text, int start, int to) {
        int first = Characters.codePoint(text, start, to);
        int next = start + Character.charCount(first);
        boolean mayLead =
                !Characters.is(first, Characters.LETTER | Characters.NUMBER)
                        && !Characters.isCrLf(text[start]);
        int letters = letters(text, start, next, to, mayLead);
        if (letters > start) {
            return letters + (contractions ? Contraction.length(text, letters, to, true) : 0);
        }
        if (Characters.is(first, Characters.NUMBER)) {
            return Cl100kPattern.digitsEnd(text, start, to, digits);
        }
        int symbolStart = first == ' ' ? next : start;
        int symbolEnd = Characters.runEnd(text, symbolStart, to, OTHER);
        if (symbolEnd > symbolStart) {
            while (symbolEnd < to
                    && (Characters.isCrLf(text[symbolEnd]) || text[symbolEnd] == '/')) {
                symbolEnd++;
            }
            return symbolEnd;
        }
        return Cl100kPattern.spaceEnd(text, start, to);
    }

    /// Returns the end of the letters at `start`, after an optional leading character, or `start`
    /// without letters.
    ///
    /// The order is the expression's: words that end in lower case, with and without a leading
    /// character, then upper case alone.
    private static int letters(char[] text, int start, int next, int to, boolean mayLead) {
        int end = mayLead ? endsLower(text, next, to) : next;
        if (end > next) {
            return end;
        }
        end = endsLower(text, start, to);
        if (end > start) {
            return end;
        }
        // No lower case follows, so the second alternative matches upper case only.
        end = mayLead ? Characters.runEnd(text, next, to, UPPER) : next;
        return end > next ? end : Characters.runEnd(text, start, to, UPPER);
    }

    /// Returns the end of `U*L+` from `start`, or `start`; `U*` backtracks over an uncased letter
    /// or mark that `L+` needs.
    private static int endsLower(char[] text, int start, int to) {
        int upperEnd = Characters.runEnd(text, start, to, UPPER);
        int end = Characters.runEnd(text, upperEnd, to, LOWER);
        if (end > upperEnd) {
            return end;
        }
        int i = upperEnd;
        while (i > start) {
            int codePoint = Character.codePointBefore(text, i, start);
            if (Characters.is(codePoint, LOWER)) {
                return i;
            }
            i -= Character.charCount(codePoint);
        }
        return start;
    }
}
