// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// The pattern `\s+$`: the white space before a line feed or the end of the piece.
///
/// As in the pattern dialect of tokenizer files, `$` also matches before every line feed. A run
/// matches up to its last such position.
record TrailingSpacePattern() implements TokenPattern {
    @Override
    public void find(char[] text, int from, int to, IntList matches) {
        int i = from;
        while (i < to) {
            if (!Characters.is(text[i], Characters.SPACE)) {
                i++;
                continue;
            }
            int end = Characters.runEnd(text, i, to, Characters.SPACE);
            int match = end == to ? end : lastLineFeed(text, i, end);
            if (match > i) {
                matches.add(i);
                matches.add(match);
            }
            i = end;
        }
    }

    private static int lastLineFeed(char[] text, int from, int to) {
        for (int i = to - 1; i >= from; i--) {
            if (text[i] == '\n') {
                return i;
            }
        }
        return from;
    }
}
