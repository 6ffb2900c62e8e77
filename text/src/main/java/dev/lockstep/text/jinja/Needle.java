// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// A search text that is found in time linear in both lengths, whatever the texts.
///
/// The library's search restarts at every partial match: two texts of one repeated letter make it
/// quadratic. Long needles are therefore searched with a table of their own prefixes (Knuth,
/// Morris, Pratt).
final class Needle {
    private static final int LIBRARY_LENGTH = 8;

    private final String wanted;
    private final int[] borders;

    Needle(String wanted) {
        this.wanted = wanted;
        this.borders = wanted.length() > LIBRARY_LENGTH ? borders(wanted) : new int[0];
    }

    /// Returns, for each prefix, the length of its longest proper prefix that is also its suffix.
    private static int[] borders(String text) {
        int[] borders = new int[text.length()];
        int matched = 0;
        for (int at = 1; at < text.length(); at++) {
            while (matched > 0 && text.charAt(at) != text.charAt(matched)) {
                matched = borders[matched - 1];
            }
            if (text.charAt(at) == text.charAt(matched)) {
                matched++;
            }
            borders[at] = matched;
        }
        return borders;
    }

    /// Returns the first position of the needle in the text at or after `from`, or -1.
    int in(String text, int from) {
        if (borders.length == 0) {
            return text.indexOf(wanted, from);
        }
        int matched = 0;
        for (int at = from; at < text.length(); at++) {
            char next = text.charAt(at);
            while (matched > 0 && next != wanted.charAt(matched)) {
                matched = borders[matched - 1];
            }
            if (next == wanted.charAt(matched)) {
                matched++;
            }
            if (matched == wanted.length()) {
                return at - matched + 1;
            }
        }
        return -1;
    }

    /// Returns the last position of the wanted text in the other, or -1.
    static int last(String wanted, String text) {
        int found = new Needle(reverse(wanted)).in(reverse(text), 0);
        return found < 0 ? -1 : text.length() - found - wanted.length();
    }

    /// Returns the text with its characters, not its code points, in reverse order.
    static String reverse(String text) {
        char[] reversed = new char[text.length()];
        for (int at = 0; at < reversed.length; at++) {
            reversed[at] = text.charAt(reversed.length - 1 - at);
        }
        return new String(reversed);
    }
}
