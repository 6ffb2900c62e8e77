// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

/// A decoder for the escapes of a string literal; a backslash before any other character is kept.
final class StringLiteral {
    private static final String PLAIN = "abfnrtv\\'\"";
    private static final String DECODED = "\u0007\b\f\n\r\t\u000b\\'\"";

    private final String body;
    private final int line;
    private final StringBuilder text = new StringBuilder();
    private int at;

    private StringLiteral(String body, int line) {
        this.body = body;
        this.line = line;
    }

    static String decode(String body, int line) {
        return body.indexOf('\\') < 0 ? body : new StringLiteral(body, line).decoded();
    }

    private String decoded() {
        while (at < body.length()) {
            char next = body.charAt(at++);
            if (next == '\\') {
                escape(body.charAt(at++));
            } else {
                text.append(next);
            }
        }
        return text.toString();
    }

    private void escape(char kind) {
        int plain = PLAIN.indexOf(kind);
        if (plain >= 0) {
            text.append(DECODED.charAt(plain));
            return;
        }
        switch (kind) {
            case '\n' -> {}
            case 'x' -> hexadecimal(kind, 2);
            case 'u' -> hexadecimal(kind, 4);
            case 'U' -> hexadecimal(kind, 8);
            case 'N' ->
                    throw new TemplateException("character names (\\N) are not supported", line);
            case '0', '1', '2', '3', '4', '5', '6', '7' -> octal(kind - '0');
            default -> text.append('\\').append(kind);
        }
    }

    private void octal(int first) {
        int value = first;
        for (int digits = 1; digits < 3 && at < body.length(); digits++) {
            int digit = body.charAt(at) - '0';
            if (digit < 0 || digit > 7) {
                break;
            }
            value = value * 8 + digit;
            at++;
        }
        text.appendCodePoint(value);
    }

    private void hexadecimal(char kind, int digits) {
        long value = 0;
        for (int count = 0; count < digits; count++) {
            int digit = at < body.length() ? Character.digit(body.charAt(at++), 16) : -1;
            if (digit < 0) {
                throw new TemplateException(
                        "escape \\" + kind + " needs " + digits + " digits", line);
            }
            value = value * 16 + digit;
        }
        if (value > Character.MAX_CODE_POINT) {
            throw new TemplateException("escape \\" + kind + " beyond U+10FFFF", line);
        }
        text.appendCodePoint((int) value);
    }
}
