// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

/// The text of an answer that is not yet read.
final class Input {
    private static final int COMPACT = 4096;

    private final StringBuilder text = new StringBuilder();
    private int at;
    private boolean ended;

    void append(String piece) {
        if (at > COMPACT && at > text.length() / 2) {
            text.delete(0, at);
            at = 0;
        }
        text.append(piece);
    }

    void end() {
        ended = true;
    }

    boolean ended() {
        return ended;
    }

    boolean isEmpty() {
        return at == text.length();
    }

    CharSequence text() {
        return text;
    }

    int at() {
        return at;
    }

    char peek() {
        return text.charAt(at);
    }

    void moveTo(int place) {
        at = place;
    }

    /// Reads up to a place.
    String take(int end) {
        String taken = text.substring(at, end);
        at = end;
        return taken;
    }

    void skipSpace() {
        at = Literal.skipSpace(text, at);
    }

    /// Moves past a literal that may follow white space.
    Progress pass(Literal literal) {
        int start = Literal.skipSpace(text, at);
        int end = literal.match(text, start);
        if (end >= 0) {
            at = literal.isEmpty() ? at : end;
            return Progress.DONE;
        }
        return end == Literal.MORE && !ended ? Progress.MORE : Progress.FAILED;
    }
}
