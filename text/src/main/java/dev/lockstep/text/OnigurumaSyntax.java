// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A translator of regular expressions from Oniguruma's dialect, which tokenizer files use, to the
/// JDK's.
///
/// The dialects differ in the members of `\w`, `\b`, `\h`, `\v` and `[[:…:]]`, in the names of
/// properties, in the scope of `(?i)`, and in an interval with a suffix: `a{1,3}+` repeats
/// `a{1,3}`, `a{3}?` makes it optional. What has no equal in the JDK's dialect is refused, and so
/// are groups that repeat too often: a repetition may read no character, so that no budget of steps
/// bounds it.
final class OnigurumaSyntax {
    private static final Pattern INTERVAL = Pattern.compile("\\{(\\d+)(,\\d*)?}|\\{(,\\d+)}");
    private static final Pattern GROUP =
            Pattern.compile("\\(\\?(?:[:=!>]|<[=!]|<[A-Za-z]\\w*>|([im]*(?:-[im]*)?)([:)]))");
    private static final Pattern POSIX = Pattern.compile("\\[:(\\^?)([^:\\]]*):]");
    private static final Pattern FOUR_DIGITS = Pattern.compile("([0-9A-Fa-f]{4})");
    private static final Pattern CODE =
            Pattern.compile("\\{([0-9A-Fa-f]{1,6})}|([0-7][0-9A-Fa-f])");
    private static final Pattern COMMENT = Pattern.compile("\\(\\?#(?:[^)\\\\]|\\\\.)*\\)");

    private static final int MAX_REPETITIONS = 1000;

    private final String source;
    private final StringBuilder result = new StringBuilder();
    private final Deque<Group> groups = new ArrayDeque<>();

    /// Places in the result before which groups open, and how many: the result is the same text
    /// without them until the end.
    private final TreeMap<Integer, Integer> opened = new TreeMap<>();

    private int at;

    /// The start of the expression that a quantifier would repeat, in the result.
    private int operand;

    /// Whether that expression reads a character whenever it matches.
    private boolean reads;

    /// How often what is inside of that expression is repeated at least, in all.
    private long operandRepetitions;

    /// As [#operandRepetitions], of what is before it in the same group.
    private long repetitions;

    /// An open group.
    ///
    /// @param start its start in the result
    /// @param closes the number of brackets that end it: options without a colon open a group that
    ///   lasts to the end of the one around it
    /// @param repetitions those before it in the group around it
    private record Group(int start, int closes, long repetitions) {}

    private OnigurumaSyntax(String source) {
        this.source = source;
    }

    /// Returns the JDK's form of an expression, for [Pattern#MULTILINE], [Pattern#UNIX_LINES] and
    /// [Pattern#UNICODE_CASE].
    static String toJava(String expression) {
        return new OnigurumaSyntax(expression).translate();
    }

    private String translate() {
        groups.push(new Group(0, 0, 0));
        while (at < source.length()) {
            switch (source.charAt(at)) {
                case '\\' -> escape();
                case '[' -> {
                    begin(true);
                    bracket();
                }
                case '(' -> open();
                case ')' -> close();
                case '{' -> interval();
                case '*', '+', '?' -> result.append(source.charAt(at++));
                default -> literal(source.codePointAt(at));
            }
        }
        if (groups.size() > 1) {
            throw wrong("a group that is not closed");
        }
        result.append(")".repeat(groups.pop().closes));
        return withOpenedGroups();
    }

    private String withOpenedGroups() {
        if (opened.isEmpty()) {
            return result.toString();
        }
        var whole = new StringBuilder();
        int copied = 0;
        for (Map.Entry<Integer, Integer> each : opened.entrySet()) {
            whole.append(result, copied, each.getKey()).repeat("(?:", each.getValue());
            copied = each.getKey();
        }
        return whole.append(result, copied, result.length()).toString();
    }

    private IllegalArgumentException wrong(String reason) {
        return new IllegalArgumentException(
                "pattern '" + source + "' is not supported: " + reason + " at index " + at);
    }

    /// Begins an expression that a quantifier may repeat.
    private void begin(boolean readsCharacter) {
        operand = result.length();
        reads = readsCharacter;
        repetitions += operandRepetitions;
        operandRepetitions = 0;
    }

    private void literal(int codePoint) {
        begin(codePoint != '^' && codePoint != '$');
        result.appendCodePoint(codePoint);
        at += Character.charCount(codePoint);
    }

    private void atom(String java, int width) {
        begin(false);
        result.append(java);
        at += width;
    }

    private void open() {
        Matcher comment = COMMENT.matcher(source).region(at, source.length());
        if (comment.lookingAt()) {
            at = comment.end();
            return;
        }
        int start = result.length();
        begin(false);
        if (!source.startsWith("(?", at)) {
            push(start);
            result.append('(');
            at++;
            return;
        }
        Matcher group = GROUP.matcher(source).region(at, source.length());
        if (!group.lookingAt()) {
            throw wrong("the group");
        }
        at = group.end();
        if (group.group(1) == null) {
            push(start);
            result.append(group.group());
            return;
        }
        // The letter m lets a point match line ends, which the JDK calls s.
        result.append("(?").append(group.group(1).replace('m', 's')).append(':');
        if (group.group(2).equals(":")) {
            push(start);
        } else {
            Group around = groups.pop();
            groups.push(new Group(around.start, around.closes + 1, around.repetitions));
        }
    }

    private void push(int start) {
        groups.push(new Group(start, 1, repetitions));
        repetitions = 0;
    }

    private void close() {
        if (groups.size() == 1) {
            throw wrong("a bracket that closes no group");
        }
        Group group = groups.pop();
        result.append(")".repeat(group.closes));
        operand = group.start;
        reads = false;
        operandRepetitions += repetitions;
        repetitions = group.repetitions;
        requireFewRepetitions();
        at++;
    }

    private void interval() {
        Matcher interval = INTERVAL.matcher(source).region(at, source.length());
        if (!interval.lookingAt()) {
            atom("\\{", 1);
            return;
        }
        if (!reads) {
            repeat(interval.group(1));
        }
        at = interval.end();
        result.append(
                interval.group(3) == null ? interval.group() : "{0" + interval.group(3) + "}");
        boolean exact = interval.group(2) == null && interval.group(3) == null;
        char suffix = at < source.length() ? source.charAt(at) : ' ';
        if (suffix == '+' || (suffix == '?' && exact)) {
            opened.merge(operand, 1, Integer::sum);
            result.append(')');
        }
    }

    /// Counts the repetitions of an operand that may match without reading a character.
    ///
    /// @param atLeast the least number of times; null for none
    private void repeat(@Nullable String atLeast) {
        String digits = atLeast == null ? "0" : atLeast;
        long times = digits.length() > 9 ? Integer.MAX_VALUE : Long.parseLong(digits);
        operandRepetitions = Math.max(1, times) * (1 + operandRepetitions);
        requireFewRepetitions();
    }

    private void requireFewRepetitions() {
        long all = repetitions + operandRepetitions;
        if (all > MAX_REPETITIONS) {
            throw wrong(
                    "its groups repeat %d times, at most %d are possible"
                            .formatted(all, MAX_REPETITIONS));
        }
    }

    private void escape() {
        if (at + 1 == source.length()) {
            throw wrong("an escape at the end");
        }
        char c = source.charAt(at + 1);
        switch (c) {
            case 'b' -> atom(boundary(false), 2);
            case 'B' -> atom(boundary(true), 2);
            case 'w' -> atom("[" + OnigurumaSet.WORD_ALONE + "]", 2);
            case 'W' -> atom("[^" + OnigurumaSet.WORD_ALONE + "]", 2);
            case 'R' -> atom("(?>\\r\\n|[\\n\\x0B\\f\\r\\x{85}\\x{2028}\\x{2029}])", 2);
            case 'N' -> atom("[^\\n]", 2);
            case 'O' -> atom("(?s:.)", 2);
            case 'A', 'z', 'Z', 'G', 'X' -> atom("\\" + c, 2);
            case '1', '2', '3', '4', '5', '6', '7', '8', '9' -> atom("\\" + c, 2);
            case 'k' -> {
                int end = source.indexOf('>', at);
                if (!source.startsWith("\\k<", at) || end < 0) {
                    throw wrong("the escape \\k");
                }
                atom(source.substring(at, end + 1), end + 1 - at);
            }
            default -> {
                begin(true);
                result.append(set(false));
            }
        }
    }

    private static String boundary(boolean none) {
        String word = "[" + OnigurumaSet.WORD_ALONE + "]";
        return none
                ? "(?:(?<=" + word + ")(?=" + word + ")|(?<!" + word + ")(?!" + word + "))"
                : "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))";
    }

    /// Translates a bracket expression.
    private void bracket() {
        result.append('[');
        at++;
        if (source.startsWith("^", at)) {
            result.append('^');
            at++;
        }
        if (source.startsWith("]", at) && source.indexOf(']', at + 1) > 0) {
            result.append("\\]");
            at++;
        }
        while (!source.startsWith("]", at)) {
            if (at == source.length()) {
                throw wrong("a bracket expression that is not closed");
            }
            char c = source.charAt(at);
            if (posix()) {
                continue;
            }
            if (c == '[') {
                bracket();
            } else if (c == '\\') {
                result.append(set(true));
            } else if (c == '^') {
                result.append("\\^");
                at++;
            } else {
                result.append(c);
                at++;
            }
        }
        result.append(']');
        at++;
    }

    /// Translates `[:name:]` or `[:^name:]`, and returns whether it is here; other brackets that
    /// begin with a colon, such as `[:]`, are expressions of their own.
    private boolean posix() {
        Matcher posix = POSIX.matcher(source).region(at, source.length());
        if (!posix.lookingAt()) {
            return false;
        }
        result.append(posix.group(1).isEmpty() ? "[" : "[^")
                .append(OnigurumaSet.posix(posix.group(2)))
                .append(']');
        at = posix.end();
        return true;
    }

    /// Translates an escape that may stand within brackets, and moves past it.
    private String set(boolean inBrackets) {
        if (at + 1 == source.length()) {
            throw wrong("an escape at the end");
        }
        int start = at;
        char c = source.charAt(at + 1);
        at += 2;
        return switch (c) {
            case 'd' -> "[" + OnigurumaSet.DIGIT + "]";
            case 'D' -> "[^" + OnigurumaSet.DIGIT + "]";
            case 's' -> "[" + OnigurumaSet.SPACE + "]";
            case 'S' -> "[^" + OnigurumaSet.SPACE + "]";
            case 'w' -> "[" + OnigurumaSet.WORD + "]";
            case 'W' -> "[^" + OnigurumaSet.WORD + "]";
            case 'h' -> "[" + OnigurumaSet.HEX_DIGIT + "]";
            case 'H' -> "[^" + OnigurumaSet.HEX_DIGIT + "]";
            case 'v' -> "\\x0B";
            case 'b' -> "\\x08";
            case 'a', 'e', 'f', 'n', 'r', 't' -> "\\" + c;
            case 'p', 'P' -> property(c == 'P', inBrackets);
            case 'x', 'u' -> code(c);
            default -> {
                if (c < 0x80 && Character.isLetterOrDigit(c)) {
                    at = start;
                    throw wrong("the escape \\" + c);
                }
                yield c < 0x80 ? "\\" + c : String.valueOf(c);
            }
        };
    }

    /// Translates `\p{name}`, `\p{^name}` or `\P{name}`; without a brace, `\p` is the letter.
    private String property(boolean complement, boolean inBrackets) {
        int end = source.indexOf('}', at);
        if (!source.startsWith("{", at) || end < 0) {
            return complement ? "P" : "p";
        }
        String name = source.substring(at + 1, end);
        at = end + 1;
        boolean caret = name.startsWith("^");
        String set = OnigurumaSet.property(caret ? name.substring(1) : name);
        boolean word = set.equals(OnigurumaSet.WORD) && !inBrackets;
        return (complement != caret ? "[^" : "[") + (word ? OnigurumaSet.WORD_ALONE : set) + "]";
    }

    /// Translates a code point: `\xHH`, `\x{H…}`, or `u` and four digits.
    private String code(char kind) {
        Matcher code =
                (kind == 'u' ? FOUR_DIGITS : CODE).matcher(source).region(at, source.length());
        if (!code.lookingAt()) {
            throw wrong("the escape \\" + kind);
        }
        at = code.end();
        String digits = kind == 'u' || code.group(1) != null ? code.group(1) : code.group(2);
        return "\\x{" + digits + "}";
    }
}
