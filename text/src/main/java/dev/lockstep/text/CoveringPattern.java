// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// A pattern whose matches cover all of the text.
interface CoveringPattern extends TokenPattern {
    /// Returns the end of the match at `start`, which is after `start`; `to` counts as the end of
    /// the text.
    int wordEnd(char[] text, int start, int to);

    @Override
    default void find(char[] text, int from, int to, IntList matches) {
        int start = from;
        while (start < to) {
            int end = wordEnd(text, start, to);
            matches.add(start);
            matches.add(end);
            start = end;
        }
    }
}
