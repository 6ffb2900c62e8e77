// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.regex;

import dev.lockstep.grammar.Regex;
import java.util.ArrayList;
import java.util.List;

/// Parses one regular expression by recursive descent.
final class PatternParser {
    static final int MAX_DEPTH = 64;
    static final int MAX_TIMES = 10_000;

    /// Nested counts multiply.
    static final int MAX_COPIES = 100_000;

    /// Copies of a repeated part that looks around.
    static final int MAX_UNROLLED = 32;

    /// Places and looks ahead in all, copies counted.
    static final int MAX_LOOKS = 200;

    private final String text;
    private final Dialect dialect;
    private final ClassParser classes;
    private int at;
    private int depth;
    private boolean ignoreCase;
    private boolean dotAll;

    PatternParser(String text, Dialect dialect) {
        this.text = text;
        this.dialect = dialect;
        this.classes = new ClassParser(text, dialect);
    }

    Pattern parse() {
        if (dialect == Dialect.PYTHON) {
            leadingFlags();
        }
        Pattern all = alternatives();
        if (at < text.length()) {
            throw new RegexException("')' without '('", at);
        }
        requireCopies(all);
        return all;
    }

    private void leadingFlags() {
        while (text.startsWith("(?", at)) {
            int end = text.indexOf(')', at);
            if (end < 0
                    || !text.substring(at + 2, end).chars().allMatch(Character::isLetter)
                    || end == at + 2) {
                return;
            }
            for (int i = at + 2; i < end; i++) {
                switch (text.charAt(i)) {
                    case 'i' -> ignoreCase = true;
                    case 's' -> dotAll = true;
                    case 'u' -> {}
                    default ->
                            throw new RegexException(
                                    "flag '" + text.charAt(i) + "' is not supported", i);
                }
            }
            at = end + 1;
        }
    }

    private Pattern alternatives() {
        if (++depth > MAX_DEPTH) {
            throw new RegexException("groups deeper than " + MAX_DEPTH, at);
        }
        var options = new ArrayList<Pattern>();
        options.add(sequence());
        while (at < text.length() && text.charAt(at) == '|') {
            at++;
            options.add(sequence());
        }
        depth--;
        return options.size() == 1 ? options.getFirst() : new Pattern.Alternatives(options);
    }

    private Pattern sequence() {
        var items = new ArrayList<Pattern>();
        while (at < text.length() && text.charAt(at) != '|' && text.charAt(at) != ')') {
            int start = at;
            items.add(repeated(atom(), start));
        }
        return items.size() == 1 ? items.getFirst() : new Pattern.Sequence(items);
    }

    private Pattern repeated(Pattern item, int start) {
        Pattern all = item;
        for (boolean first = true; at < text.length(); first = false) {
            int mark = at;
            int min;
            int max = Regex.UNBOUNDED;
            switch (text.charAt(at)) {
                case '*' -> {
                    at++;
                    min = 0;
                }
                case '+' -> {
                    at++;
                    min = 1;
                }
                case '?' -> {
                    at++;
                    min = 0;
                    max = 1;
                }
                case '{' -> {
                    int[] counts = counts();
                    if (counts.length == 0) {
                        return all;
                    }
                    min = counts[0];
                    max = counts[1];
                }
                default -> {
                    return all;
                }
            }
            if (!first) {
                throw new RegexException("a repetition of a repetition", mark);
            }
            if (all instanceof Pattern.Place || all instanceof Pattern.Ahead) {
                throw new RegexException("nothing to repeat", mark);
            }
            if (all.looksAround() && (max == Regex.UNBOUNDED || max > MAX_UNROLLED)) {
                throw new RegexException(
                        "a look around that is repeated more than %d times is not supported"
                                .formatted(MAX_UNROLLED),
                        start);
            }
            all = new Pattern.Repeat(all, min, max);
            if (at < text.length() && text.charAt(at) == '?') {
                at++; // Lazy repetition matches the same texts.
            } else if (at < text.length() && text.charAt(at) == '+') {
                throw new RegexException("a possessive repetition is not supported", at);
            }
        }
        return all;
    }

    /// Both counts of `{m}`, `{m,}` or `{m,n}`; none if the brace stands for itself.
    private int[] counts() {
        int end = text.indexOf('}', at);
        String inside = end < 0 ? "" : text.substring(at + 1, end);
        if (!inside.matches("[0-9]+(,[0-9]*)?")) {
            return new int[0];
        }
        int comma = inside.indexOf(',');
        int min = count(comma < 0 ? inside : inside.substring(0, comma));
        int max =
                comma < 0
                        ? min
                        : comma == inside.length() - 1
                                ? Regex.UNBOUNDED
                                : count(inside.substring(comma + 1));
        if (max != Regex.UNBOUNDED && max < min) {
            throw new RegexException("a repetition of {" + inside + "} times", at);
        }
        at = end + 1;
        return new int[] {min, max};
    }

    private int count(String digits) {
        int value = digits.length() > 9 ? Integer.MAX_VALUE : Integer.parseInt(digits);
        if (value > MAX_TIMES) {
            throw new RegexException(
                    "a repetition of %s times exceeds the limit of %d".formatted(digits, MAX_TIMES),
                    at);
        }
        return value;
    }

    private Pattern atom() {
        int c = text.codePointAt(at);
        return switch (c) {
            case '(' -> group();
            case '^' -> place(Pattern.Place.START, 1);
            case '$' -> place(Pattern.Place.END, 1);
            case '*', '+', '?' -> throw new RegexException("nothing to repeat", at);
            case '.' -> {
                at++;
                yield new Pattern.Characters(dotAll ? CodePoints.ALL : classes.dot());
            }
            case '[' -> {
                CodePoints set = classes.bracket(at, ignoreCase);
                at = classes.end();
                yield new Pattern.Characters(set);
            }
            case '\\' -> escape();
            default -> {
                if (c == '{' && counts().length > 0) {
                    throw new RegexException("nothing to repeat", at);
                }
                at += Character.charCount(c);
                yield characters(CodePoints.of(c));
            }
        };
    }

    private Pattern place(Pattern.Place place, int length) {
        at += length;
        return place;
    }

    private Pattern characters(CodePoints set) {
        return new Pattern.Characters(ignoreCase ? set.ignoringCase() : set);
    }

    private Pattern escape() {
        char next = at + 1 < text.length() ? text.charAt(at + 1) : 0;
        Pattern.Place place =
                switch (next) {
                    case 'b' -> Pattern.Place.WORD_BORDER;
                    case 'B' -> Pattern.Place.NO_WORD_BORDER;
                    case 'A' -> dialect == Dialect.PYTHON ? Pattern.Place.START : null;
                    case 'Z', 'z' -> dialect == Dialect.PYTHON ? Pattern.Place.END : null;
                    default -> null;
                };
        if (place != null) {
            return place(place, 2);
        }
        if ((next >= '1' && next <= '9') || next == 'k') {
            throw new RegexException("a backreference is not supported", at);
        }
        CodePoints set = classes.escape(at);
        at = classes.end();
        return characters(set);
    }

    private Pattern group() {
        int start = at++;
        boolean look = false;
        boolean negated = false;
        if (text.startsWith("?", at)) {
            String kind = text.substring(at + 1, Math.min(text.length(), at + 4));
            if (kind.startsWith(":")) {
                at += 2;
            } else if (kind.startsWith("=") || kind.startsWith("!")) {
                look = true;
                negated = kind.startsWith("!");
                at += 2;
            } else if (kind.startsWith("<=") || kind.startsWith("<!")) {
                throw new RegexException("a look behind is not supported", start);
            } else if (kind.startsWith("<") || kind.startsWith("P<")) {
                int end = text.indexOf('>', at);
                String name = end < 0 ? "" : text.substring(text.indexOf('<', at) + 1, end);
                if (!name.matches("[\\p{L}_$][\\p{L}\\p{N}_$]*")) {
                    throw new RegexException("a group without a name", start);
                }
                at = end + 1;
            } else {
                throw new RegexException("a group of this kind is not supported", start);
            }
        }
        Pattern inside = alternatives();
        if (at >= text.length()) {
            throw new RegexException("'(' without ')'", start);
        }
        at++;
        return look ? new Pattern.Ahead(inside, negated) : inside;
    }

    private void requireCopies(Pattern all) {
        if (copies(all) > MAX_COPIES) {
            throw new RegexException(
                    "nested repetitions stand for more than %d characters".formatted(MAX_COPIES),
                    0);
        }
        if (looks(all) > MAX_LOOKS) {
            throw new RegexException(
                    "the text around is looked at more than %d times".formatted(MAX_LOOKS), 0);
        }
    }

    /// How often the text around is looked at, repetitions unrolled.
    private static long looks(Pattern pattern) {
        return switch (pattern) {
            case Pattern.Characters _ -> 0;
            case Pattern.Sequence(List<Pattern> items) ->
                    items.stream().mapToLong(PatternParser::looks).sum();
            case Pattern.Alternatives(List<Pattern> options) ->
                    options.stream().mapToLong(PatternParser::looks).sum();
            case Pattern.Repeat(Pattern item, int _, int max) ->
                    Math.min(1L << 40, looks(item) * Math.max(1, max));
            case Pattern.Ahead(Pattern ahead, boolean _) -> 1 + looks(ahead);
            case Pattern.Place _ -> 1;
        };
    }

    private static long copies(Pattern pattern) {
        return switch (pattern) {
            case Pattern.Characters _ -> 1;
            case Pattern.Sequence(List<Pattern> items) ->
                    items.stream().mapToLong(PatternParser::copies).sum();
            case Pattern.Alternatives(List<Pattern> options) ->
                    options.stream().mapToLong(PatternParser::copies).sum();
            case Pattern.Repeat(Pattern item, int min, int max) ->
                    Math.min(1L << 40, copies(item) * Math.max(1, Math.max(min, max)));
            case Pattern.Ahead(Pattern ahead, boolean _) -> copies(ahead);
            case Pattern.Place _ -> 0;
        };
    }
}
