// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.text;

import dev.lockstep.grammar.regex.CodePoints;

/// A place in the text of a grammar.
final class GrammarText {
    static final int MAX_LENGTH = 64 << 10;
    static final int MAX_DEPTH = 64;
    static final int MAX_RULES = 5_000;
    static final int MAX_TIMES = 10_000;

    private final String text;
    private int at;

    GrammarText(String text) {
        this.text = text;
        if (text.length() > MAX_LENGTH) {
            throw error(
                    "%d characters exceed the limit of %d".formatted(text.length(), MAX_LENGTH));
        }
    }

    GrammarTextException error(String what) {
        return error(what, at);
    }

    GrammarTextException error(String what, int place) {
        String before = text.substring(0, Math.min(place, text.length()));
        int line = (int) before.chars().filter(c -> c == '\n').count() + 1;
        return new GrammarTextException(what, line, before.length() - before.lastIndexOf('\n'));
    }

    int place() {
        return at;
    }

    void moveTo(int place) {
        at = place;
    }

    boolean atEnd() {
        return at >= text.length();
    }

    /// The next character, or 0 at the end.
    char peek() {
        return atEnd() ? 0 : text.charAt(at);
    }

    boolean startsWith(String expected) {
        return text.startsWith(expected, at);
    }

    boolean skip(String expected) {
        if (!startsWith(expected)) {
            return false;
        }
        at += expected.length();
        return true;
    }

    void require(String expected) {
        if (!skip(expected)) {
            throw error("'" + expected + "' is expected");
        }
    }

    int codePoint() {
        if (atEnd()) {
            throw error("the grammar ends too early");
        }
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        return c;
    }

    String rest(int from) {
        return text.substring(from, at);
    }

    /// Letters, digits and the given others; empty if there is none.
    String word(String others) {
        int from = at;
        while (!atEnd()
                && ((peek() < 0x80 && Character.isLetterOrDigit(peek()))
                        || others.indexOf(peek()) >= 0)) {
            at++;
        }
        return text.substring(from, at);
    }

    int number() {
        int from = at;
        while (Character.isDigit(peek())) {
            at++;
        }
        String digits = text.substring(from, at);
        if (digits.isEmpty()) {
            throw error("a number is expected");
        }
        if (digits.length() > 9 || Integer.parseInt(digits) > MAX_TIMES) {
            throw error("%s exceeds the limit of %d".formatted(digits, MAX_TIMES), from);
        }
        return Integer.parseInt(digits);
    }

    /// The code point after a backslash.
    int escaped() {
        int from = at - 1;
        int c = codePoint();
        return switch (c) {
            case 'n' -> '\n';
            case 'r' -> '\r';
            case 't' -> '\t';
            case 'f' -> '\f';
            case 'b' -> '\b';
            case '0' -> 0;
            case 'x' -> hex(2, from);
            case 'u' -> hex(4, from);
            case 'U' -> hex(8, from);
            default -> {
                if (Character.isLetterOrDigit(c)) {
                    throw error("the escape \\" + Character.toString(c) + " is not known", from);
                }
                yield c;
            }
        };
    }

    private int hex(int digits, int from) {
        int end = Math.min(at + digits, text.length());
        String value = text.substring(at, end);
        if (value.length() < digits || !value.matches("[0-9a-fA-F]+")) {
            throw error("an escape without its hexadecimal digits", from);
        }
        at = end;
        long code = Long.parseLong(value, 16);
        if (code > Character.MAX_CODE_POINT || CodePoints.of((int) code).isEmpty()) {
            throw error("an escape of no character", from);
        }
        return (int) code;
    }
}
