// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

/// Parses escapes and bracketed classes.
final class ClassParser {
    private static final CodePoints ECMA_LINES = lines().union(CodePoints.range(0x2028, 0x2029));
    private static final CodePoints ECMA_SPACES =
            CodePoints.range(9, 13)
                    .union(CodePoints.of(' '))
                    .union(CodePoints.of(0xa0))
                    .union(CodePoints.of(0xfeff))
                    .union(CodePoints.of(0x1680))
                    .union(CodePoints.range(0x2000, 0x200a))
                    .union(CodePoints.range(0x2028, 0x2029))
                    .union(CodePoints.of(0x202f))
                    .union(CodePoints.of(0x205f))
                    .union(CodePoints.of(0x3000));

    private final String text;
    private final Dialect dialect;
    private int at;

    ClassParser(String text, Dialect dialect) {
        this.text = text;
        this.dialect = dialect;
    }

    private static CodePoints lines() {
        return CodePoints.of('\n').union(CodePoints.of('\r'));
    }

    /// The position behind what was read last.
    int end() {
        return at;
    }

    CodePoints dot() {
        return dialect == Dialect.ECMA_262
                ? ECMA_LINES.complement()
                : CodePoints.of('\n').complement();
    }

    /// The class whose bracket opens at `start`.
    CodePoints bracket(int start, boolean ignoreCase) {
        at = start + 1;
        boolean negated = text.startsWith("^", at);
        if (negated) {
            at++;
        }
        CodePoints set = CodePoints.NONE;
        boolean first = dialect == Dialect.PYTHON;
        while (true) {
            if (at >= text.length()) {
                throw new RegexException("'[' without ']'", start);
            }
            if (text.charAt(at) == ']' && !first) {
                at++;
                break;
            }
            first = false;
            if (dialect == Dialect.PYTHON && text.startsWith("[:", at)) {
                throw new RegexException("a class in a class is not supported", at);
            }
            int from = at;
            CodePoints low = member();
            if (text.startsWith("-", at) && at + 1 < text.length() && text.charAt(at + 1) != ']') {
                int dash = at++;
                CodePoints high = member();
                set = set.union(between(low, high, from, dash));
            } else {
                set = set.union(low);
            }
        }
        CodePoints all = ignoreCase ? set.ignoringCase() : set;
        return negated ? all.complement() : all;
    }

    private CodePoints between(CodePoints low, CodePoints high, int from, int dash) {
        if (low.single() < 0 || high.single() < 0) {
            if (dialect == Dialect.PYTHON) {
                throw new RegexException("a range between classes", from);
            }
            return low.union(high).union(CodePoints.of('-'));
        }
        if (low.single() > high.single()) {
            throw new RegexException("a range that ends before it begins", dash);
        }
        return CodePoints.range(low.single(), high.single());
    }

    private CodePoints member() {
        if (at >= text.length()) {
            throw new RegexException("'[' without ']'", at);
        }
        if (text.charAt(at) == '\\') {
            if (text.startsWith("\\b", at)) {
                at += 2;
                return CodePoints.of('\b');
            }
            return escape(at);
        }
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        return CodePoints.of(c);
    }

    /// The characters that the escape at `start` stands for.
    CodePoints escape(int start) {
        at = start + 1;
        if (at >= text.length()) {
            throw new RegexException("an escape without a character", start);
        }
        int c = text.codePointAt(at);
        at += Character.charCount(c);
        return switch (c) {
            case 'd' -> digits();
            case 'D' -> digits().complement();
            case 'w' -> words();
            case 'W' -> words().complement();
            case 's' -> spaces();
            case 'S' -> spaces().complement();
            case 't' -> CodePoints.of('\t');
            case 'n' -> CodePoints.of('\n');
            case 'r' -> CodePoints.of('\r');
            case 'f' -> CodePoints.of('\f');
            case 'v' -> CodePoints.of(0x0b);
            case '0' -> zero(start);
            case 'c' -> control(start);
            case 'x' -> CodePoints.of(hex(start, 2));
            case 'u' -> unicode(start);
            case 'p' -> property(start);
            case 'P' -> property(start).complement();
            default -> {
                if (c < 0x80 && Character.isLetterOrDigit(c)) {
                    throw new RegexException(
                            "the escape \\" + Character.toString(c) + " is not supported", start);
                }
                yield CodePoints.of(c);
            }
        };
    }

    private CodePoints digits() {
        return dialect == Dialect.ECMA_262 ? CodePoints.DIGITS : UnicodeProperty.named("Nd").get();
    }

    private CodePoints words() {
        return dialect == Dialect.ECMA_262 ? CodePoints.WORD : UnicodeProperty.word();
    }

    private CodePoints spaces() {
        return dialect == Dialect.ECMA_262
                ? ECMA_SPACES
                : UnicodeProperty.named("White_Space").get();
    }

    private CodePoints zero(int start) {
        if (at < text.length() && Character.isDigit(text.charAt(at))) {
            throw new RegexException("an octal escape is not supported", start);
        }
        return CodePoints.of(0);
    }

    private CodePoints control(int start) {
        int letter = at < text.length() ? text.charAt(at) : 0;
        if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z'))) {
            throw new RegexException("\\c without a letter", start);
        }
        at++;
        return CodePoints.of(letter & 31);
    }

    private int hex(int start, int digits) {
        int end = at + digits;
        if (end > text.length() || !text.substring(at, end).matches("[0-9a-fA-F]+")) {
            throw new RegexException("an escape without its hexadecimal digits", start);
        }
        int value = Integer.parseInt(text.substring(at, end), 16);
        at = end;
        return value;
    }

    private CodePoints unicode(int start) {
        int value;
        if (text.startsWith("{", at)) {
            int end = text.indexOf('}', at);
            String digits = end < 0 ? "" : text.substring(at + 1, end);
            if (!digits.matches("[0-9a-fA-F]{1,6}")
                    || Integer.parseInt(digits, 16) > Character.MAX_CODE_POINT) {
                throw new RegexException("an escape without its hexadecimal digits", start);
            }
            value = Integer.parseInt(digits, 16);
            at = end + 1;
        } else {
            value = hex(start, 4);
            if (Character.isHighSurrogate((char) value) && text.startsWith("\\u", at)) {
                at += 2;
                int low = hex(start, 4);
                value =
                        Character.isLowSurrogate((char) low)
                                ? Character.toCodePoint((char) value, (char) low)
                                : Character.MIN_SURROGATE;
            }
        }
        if (value >= Character.MIN_SURROGATE && value <= Character.MAX_SURROGATE) {
            throw new RegexException("half of a surrogate pair is not supported", start);
        }
        return CodePoints.of(value);
    }

    private CodePoints property(int start) {
        String name;
        if (text.startsWith("{", at)) {
            int end = text.indexOf('}', at);
            if (end < 0) {
                throw new RegexException("'{' without '}'", at);
            }
            name = text.substring(at + 1, end);
            at = end + 1;
        } else if (dialect == Dialect.PYTHON && at < text.length()) {
            name = text.substring(at, ++at);
        } else {
            throw new RegexException("\\p without a property in braces", start);
        }
        return UnicodeProperty.named(name)
                .orElseThrow(() -> new RegexException(unknownProperty(name), start));
    }

    /// A name of other characters than properties have may be of any length and have line breaks.
    private static String unknownProperty(String name) {
        return name.matches("[\\w=^ :.-]{1,64}")
                ? "the property '" + name + "' is not known"
                : "what is in the braces of \\p is not the name of a property";
    }
}
