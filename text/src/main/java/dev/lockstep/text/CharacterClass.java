// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/// The content of a bracket expression, `A-Za-zµ\p{N}` or `^\s`, as a set of code points;
/// immutable.
///
/// Supports literals, ranges, the escapes `\r \n \t \s \d` and `\p{…}` with one category. Anything
/// else is refused, and the caller falls back to [RegexPattern].
final class CharacterClass implements CharacterSet {
    private final int[] starts;
    private final int[] ends;
    private final int classes;
    private final boolean negated;

    private record Range(int first, int last) {}

    private CharacterClass(List<Range> ranges, int classes, boolean negated) {
        this.starts = ranges.stream().mapToInt(Range::first).toArray();
        this.ends = ranges.stream().mapToInt(Range::last).toArray();
        this.classes = classes;
        this.negated = negated;
    }

    @Override
    public boolean contains(int codePoint) {
        boolean member = Characters.is(codePoint, classes) || inRange(codePoint);
        return member != negated;
    }

    private boolean inRange(int codePoint) {
        int at = Arrays.binarySearch(starts, codePoint);
        return at >= 0 || (at < -1 && codePoint <= ends[-at - 2]);
    }

    /// Parses the content of a bracket expression.
    ///
    /// @param body the text between `[` and `]`
    static CharacterClass parse(String body) {
        boolean negated = body.startsWith("^");
        var parser = new Parser();
        parser.parse(body.codePoints().toArray(), negated ? 1 : 0);
        return new CharacterClass(merged(parser.ranges), parser.classes, negated);
    }

    /// Returns the ranges in ascending order, with overlapping ranges joined.
    private static List<Range> merged(List<Range> ranges) {
        List<Range> merged = new ArrayList<>();
        for (Range range : ranges.stream().sorted(Comparator.comparingInt(Range::first)).toList()) {
            if (!merged.isEmpty() && range.first <= merged.getLast().last) {
                Range last = merged.removeLast();
                merged.add(new Range(last.first, Math.max(last.last, range.last)));
            } else {
                merged.add(range);
            }
        }
        return merged;
    }

    private static final class Parser {
        private final List<Range> ranges = new ArrayList<>();
        private int classes;

        private void parse(int[] body, int from) {
            if (from == body.length) {
                throw new IllegalArgumentException("empty character class");
            }
            int i = from;
            while (i < body.length) {
                int width = body[i] == '\\' ? escapeWidth(body, i) : 1;
                int first = width == 1 ? literal(body[i]) : escaped(body, i, width);
                i += width;
                if (first == CLASS) {
                    continue;
                }
                int last = first;
                if (i + 1 < body.length && body[i] == '-') {
                    width = body[i + 1] == '\\' ? escapeWidth(body, i + 1) : 1;
                    last = width == 1 ? literal(body[i + 1]) : escaped(body, i + 1, width);
                    i += 1 + width;
                    if (last < first) {
                        throw new IllegalArgumentException("range that ends before it begins");
                    }
                }
                ranges.add(new Range(first, last));
            }
        }

        private static final int CLASS = -1;

        private static int literal(int codePoint) {
            if (codePoint == '[' || codePoint == '&') {
                throw new IllegalArgumentException("nested character class");
            }
            return codePoint;
        }

        private static int escapeWidth(int[] body, int at) {
            if (at + 1 >= body.length) {
                throw new IllegalArgumentException("escape at the end");
            }
            if (body[at + 1] != 'p') {
                return 2;
            }
            if (at + 2 >= body.length || body[at + 2] != '{') {
                throw new IllegalArgumentException("\\p without {");
            }
            int close = at + 3;
            while (close < body.length && body[close] != '}') {
                close++;
            }
            if (close == body.length) {
                throw new IllegalArgumentException("\\p without }");
            }
            return close - at + 1;
        }

        /// Returns the literal that an escape denotes, or [#CLASS] after adding the class it
        /// denotes.
        private int escaped(int[] body, int at, int width) {
            int c = body[at + 1];
            return switch (c) {
                case 'r' -> '\r';
                case 'n' -> '\n';
                case 't' -> '\t';
                case 's' -> include(Characters.SPACE);
                case 'd' -> include(Characters.DECIMAL);
                case 'p' -> include(category(new String(body, at + 3, width - 4)));
                default -> {
                    if (!Characters.isAsciiPunctuation(c)) {
                        throw new IllegalArgumentException("escape \\" + Character.toString(c));
                    }
                    yield c;
                }
            };
        }

        private int include(int added) {
            classes |= added;
            return CLASS;
        }

        private static int category(String name) {
            return switch (name) {
                case "L" -> Characters.LETTER;
                case "Lu" -> Characters.UPPER;
                case "Ll" -> Characters.LOWER;
                case "Lt" -> Characters.TITLE;
                case "Lm" -> 1 << Character.MODIFIER_LETTER;
                case "Lo" -> 1 << Character.OTHER_LETTER;
                case "M" -> Characters.MARK;
                case "N" -> Characters.NUMBER;
                case "Nd" -> Characters.DECIMAL;
                case "P" -> Characters.PUNCTUATION;
                case "S" -> Characters.SYMBOL;
                default -> throw new IllegalArgumentException("category " + name);
            };
        }
    }
}
