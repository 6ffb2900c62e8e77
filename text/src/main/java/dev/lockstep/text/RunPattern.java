// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// Runs of one character class: `[…]`, `[…]+`, `[…]{1,3}`, `[…]{3}`, each with an optional
/// preceding white-space character (`\s?`).
record RunPattern(boolean optionalSpace, CharacterSet set, int min, int max)
        implements TokenPattern {
    RunPattern {
        if (min < 1 || max < min) {
            throw new IllegalArgumentException(
                    "a run of " + min + " to " + max + " characters cannot be matched");
        }
    }

    @Override
    public void find(char[] text, int from, int to, IntList matches) {
        int start = from;
        while (start < to) {
            int codePoint = Characters.codePoint(text, start, to);
            int next = start + Character.charCount(codePoint);
            int end = NO_MATCH;
            if (optionalSpace && Characters.is(codePoint, Characters.SPACE)) {
                end = runEnd(text, next, to);
            }
            if (end == NO_MATCH) {
                end = runEnd(text, start, to);
            }
            if (end == NO_MATCH) {
                start = next;
            } else {
                matches.add(start);
                matches.add(end);
                start = end;
            }
        }
    }

    private static final int NO_MATCH = -1;

    private int runEnd(char[] text, int start, int to) {
        int end = start;
        int count = 0;
        while (end < to && count < max) {
            int codePoint = Characters.codePoint(text, end, to);
            if (!set.contains(codePoint)) {
                break;
            }
            end += Character.charCount(codePoint);
            count++;
        }
        return count < min ? NO_MATCH : end;
    }
}
