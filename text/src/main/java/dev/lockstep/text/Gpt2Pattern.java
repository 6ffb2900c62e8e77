// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// GPT-2's words: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
///
/// Contractions match in lower case only; marks count as symbols; the matches cover all of the
/// text.
record Gpt2Pattern() implements CoveringPattern {
    private static final int OTHER = ~(Characters.LETTER | Characters.NUMBER | Characters.SPACE);

    @Override
    public int wordEnd(char[] text, int start, int to) {
        if (text[start] == '\'') {
            int contraction = Contraction.length(text, start, to, false);
            if (contraction > 0) {
                return start + contraction;
            }
        }
        int first = start;
        if (text[start] == ' ' && start + 1 < to) {
            first = start + 1;
        }
        int mask = Characters.mask(Characters.codePoint(text, first, to));
        if ((mask & Characters.LETTER) != 0) {
            return Characters.runEnd(text, first, to, Characters.LETTER);
        }
        if ((mask & Characters.NUMBER) != 0) {
            return Characters.runEnd(text, first, to, Characters.NUMBER);
        }
        if ((mask & OTHER) != 0) {
            return Characters.runEnd(text, first, to, OTHER);
        }
        return spaceEnd(text, start, to);
    }

    /// Returns the end of `\s+(?!\S)|\s+`: the last character of a run belongs to the following
    /// word; a run of one character is a separate match.
    static int spaceEnd(char[] text, int start, int to) {
        int end = Characters.runEnd(text, start, to, Characters.SPACE);
        return end == to || end - start == 1 ? end : end - 1;
    }
}
