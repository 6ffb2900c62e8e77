// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// Occurrences of a fixed string.
record LiteralPattern(String literal) implements TokenPattern {
    LiteralPattern {
        if (literal.isEmpty()) {
            throw new IllegalArgumentException("a pattern is empty");
        }
    }

    @Override
    public void find(char[] text, int from, int to, IntList matches) {
        int length = literal.length();
        int at = from;
        while (at + length <= to) {
            if (text[at] == literal.charAt(0) && isAt(text, at)) {
                matches.add(at);
                matches.add(at + length);
                at += length;
            } else {
                at++;
            }
        }
    }

    private boolean isAt(char[] text, int at) {
        for (int i = 1; i < literal.length(); i++) {
            if (text[at + i] != literal.charAt(i)) {
                return false;
            }
        }
        return true;
    }
}
