// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.List;

/// A text of the format as it is looked for in an answer: white space between its units may differ,
/// for models write it otherwise than their template.
final class Literal {
    /// What [#match] returns where the text differs.
    static final int NO = -1;

    /// What [#match] returns where the text ends too early to tell.
    static final int MORE = -2;

    /// The most white space between two units; a bound keeps the time per character constant.
    static final int SLACK = 16;

    private final List<String> units;

    Literal(String text) {
        units = MarkerText.units(text).stream().filter(unit -> !unit.isBlank()).toList();
    }

    boolean isEmpty() {
        return units.isEmpty();
    }

    /// Returns the end of this literal in a text where it begins exactly at a place, [#NO] or
    /// [#MORE].
    int match(CharSequence text, int from) {
        int at = from;
        for (int i = 0; i < units.size(); i++) {
            String unit = units.get(i);
            if (i > 0) {
                at = skipSpace(text, at);
            }
            for (int k = 0; k < unit.length(); k++, at++) {
                if (at >= text.length()) {
                    return MORE;
                }
                if (text.charAt(at) != unit.charAt(k)) {
                    return NO;
                }
            }
        }
        return at;
    }

    /// Returns whether the text from a place to its end is this literal, or ends after a whole
    /// marker of it: what is left when the token that ends an answer is not part of its text.
    boolean matchesRest(CharSequence text, int from) {
        int at = from;
        for (int i = 0; i < units.size(); i++) {
            String unit = units.get(i);
            if (i > 0) {
                at = skipSpace(text, at);
                if (at == text.length()) {
                    return MarkerText.hasMarker(units.get(0));
                }
            }
            if (at + unit.length() > text.length()
                    || !unit.contentEquals(text.subSequence(at, at + unit.length()))) {
                return false;
            }
            at += unit.length();
        }
        return !units.isEmpty() && skipSpace(text, at) == text.length();
    }

    /// Returns whether only white space, or a part of this literal, is left of a text that ended.
    boolean isCutOff(CharSequence text, int from) {
        int next = skipSpace(text, from);
        return next == text.length() || matchesRest(text, next);
    }

    /// Returns the place after at most [#SLACK] characters of white space.
    static int skipSpace(CharSequence text, int from) {
        int at = from;
        while (at < text.length() && at - from < SLACK && isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    static boolean isSpace(char c) {
        return c == ' ' || c == '\n' || c == '\t' || c == '\r';
    }
}
