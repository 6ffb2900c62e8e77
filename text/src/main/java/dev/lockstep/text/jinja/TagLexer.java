// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.jinja;

import dev.lockstep.text.jinja.TemplateToken.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/// A lexer for the content of one tag; an end mark inside open brackets does not end the tag.
final class TagLexer {
    private static final List<String> OPERATORS =
            List.of(
                    "**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", "[", "]", "(",
                    ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";");

    private final String source;
    private final String endMark;
    private final List<TemplateToken> tokens = new ArrayList<>();
    private final Deque<String> open = new ArrayDeque<>();
    private int position;
    private int line;
    private char sign;

    TagLexer(String source, int position, int line, String endMark) {
        this.source = source;
        this.position = position;
        this.line = line;
        this.endMark = endMark;
        while (!atEnd()) {
            next();
        }
    }

    List<TemplateToken> tokens() {
        return tokens;
    }

    /// Returns the position of the end mark, its sign included.
    int end() {
        return position;
    }

    /// Returns the sign of the end mark, or 0.
    char sign() {
        return sign;
    }

    private boolean atEnd() {
        if (position >= source.length()) {
            throw new TemplateException("tag without its end '" + endMark + "'", line);
        }
        if (!open.isEmpty()) {
            return false;
        }
        if (source.startsWith(endMark, position)) {
            return true;
        }
        char first = source.charAt(position);
        boolean signed = first == '-' || (first == '+' && endMark.equals("%}"));
        if (signed && source.startsWith(endMark, position + 1)) {
            sign = first;
            return true;
        }
        return false;
    }

    private void next() {
        char first = source.charAt(position);
        if (CharacterTests.isSpace(first)) {
            line += first == '\n' ? 1 : 0;
            position++;
        } else if (isDigit(position)) {
            number();
        } else if (first == '\'' || first == '"') {
            string(first);
        } else if (CharacterTests.isNamePart(source.codePointAt(position))) {
            name();
        } else {
            operator();
        }
    }

    private void name() {
        int end = position;
        while (end < source.length() && CharacterTests.isNamePart(source.codePointAt(end))) {
            end += Character.charCount(source.codePointAt(end));
        }
        add(Kind.NAME, source.substring(position, end), end);
    }

    private void number() {
        int radix = radix();
        int end = position + (radix == 10 ? 0 : 2);
        while (isDigit(end, radix) || (charAt(end) == '_' && isDigit(end + 1, radix))) {
            end++;
        }
        Kind kind = Kind.INTEGER;
        boolean mayHaveFraction =
                radix == 10 && (position == 0 || source.charAt(position - 1) != '.');
        if (mayHaveFraction && charAt(end) == '.' && isDigit(end + 1)) {
            kind = Kind.FLOAT;
            end = digits(end + 1);
        }
        if (mayHaveFraction && (charAt(end) == 'e' || charAt(end) == 'E')) {
            int exponent = end + (charAt(end + 1) == '+' || charAt(end + 1) == '-' ? 2 : 1);
            if (isDigit(exponent)) {
                kind = Kind.FLOAT;
                end = digits(exponent);
            }
        }
        if (kind == Kind.INTEGER && radix == 10 && charAt(position) == '0') {
            end = zeros(position);
        }
        add(kind, source.substring(position, end).replace("_", ""), end);
    }

    /// Returns the radix of a number; a prefix without a digit of that radix is a zero followed by
    /// a name.
    private int radix() {
        String prefix = source.substring(position, Math.min(source.length(), position + 2));
        int radix =
                switch (prefix) {
                    case "0x", "0X" -> 16;
                    case "0o", "0O" -> 8;
                    case "0b", "0B" -> 2;
                    default -> 10;
                };
        int first = position + (charAt(position + 2) == '_' ? 3 : 2);
        return isDigit(first, radix) ? radix : 10;
    }

    /// Returns the end of the zeros; a decimal integer that starts with 0 contains only zeros, and
    /// digits after them are another token.
    private int zeros(int from) {
        int at = from;
        while (charAt(at) == '0' || (charAt(at) == '_' && charAt(at + 1) == '0')) {
            at++;
        }
        return at;
    }

    private int digits(int from) {
        int at = from;
        while (isDigit(at) || (charAt(at) == '_' && isDigit(at + 1))) {
            at++;
        }
        return at;
    }

    private boolean isDigit(int at) {
        return isDigit(at, 10);
    }

    private boolean isDigit(int at, int radix) {
        return charAt(at) < 0x80 && Character.digit(charAt(at), radix) >= 0;
    }

    private char charAt(int at) {
        return at < source.length() ? source.charAt(at) : 0;
    }

    private void string(char quote) {
        int end = position + 1;
        while (charAt(end) != quote) {
            end += charAt(end) == '\\' ? 2 : 1;
            if (end >= source.length()) {
                throw new TemplateException("text without its closing " + quote, line);
            }
        }
        String body = source.substring(position + 1, end);
        add(Kind.STRING, StringLiteral.decode(body, line), end + 1);
        line += (int) body.chars().filter(each -> each == '\n').count();
    }

    private void operator() {
        for (String operator : OPERATORS) {
            if (source.startsWith(operator, position)) {
                balance(operator);
                add(Kind.OPERATOR, operator, position + operator.length());
                return;
            }
        }
        String unexpected = Character.toString(source.codePointAt(position));
        throw new TemplateException("unexpected character '" + unexpected + "'", line);
    }

    private void balance(String operator) {
        switch (operator) {
            case "(" -> open.push(")");
            case "[" -> open.push("]");
            case "{" -> open.push("}");
            case ")", "]", "}" -> {
                String expected = open.isEmpty() ? "no bracket" : "'" + open.pop() + "'";
                if (!expected.equals("'" + operator + "'")) {
                    throw new TemplateException(
                            "unexpected '" + operator + "', expected " + expected, line);
                }
            }
            default -> {}
        }
    }

    private void add(Kind kind, String text, int end) {
        tokens.add(new TemplateToken(kind, text, line));
        position = end;
    }
}
