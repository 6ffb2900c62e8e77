// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// English contractions, `'s 't 're 've 'm 'll 'd`, which the word patterns split off.
final class Contraction {
    private Contraction() {}

    /// Returns the length of the contraction at `start`, or 0 without one.
    static int length(char[] text, int start, int to, boolean anyCase) {
        if (start + 1 >= to || text[start] != '\'') {
            return 0;
        }
        char first = anyCase ? lower(text[start + 1]) : text[start + 1];
        if (first == 's' || first == 't' || first == 'm' || first == 'd') {
            return 2;
        }
        if (start + 2 >= to) {
            return 0;
        }
        char second = anyCase ? lower(text[start + 2]) : text[start + 2];
        boolean three =
                first == 'l' ? second == 'l' : (first == 'r' || first == 'v') && second == 'e';
        return three ? 3 : 0;
    }

    /// Returns the lower-case letter; U+017F folds to s, as in Unicode's case-insensitive matching.
    private static char lower(char c) {
        if (c == '\u017F') {
            return 's';
        }
        return c >= 'A' && c <= 'Z' ? (char) (c + ('a' - 'A')) : c;
    }
}
