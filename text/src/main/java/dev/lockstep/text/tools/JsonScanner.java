// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.BitSet;

/// Finds the end of one JSON value, character by character, and refuses what is none (RFC 8259).
final class JsonScanner {
    /// Deeper values are refused.
    static final int MAX_DEPTH = 512;

    enum Verdict {
        MORE,
        /// The value ends with this character.
        END,
        /// The value, a number, ended before this character.
        ENDED,
        FAILED
    }

    private enum State {
        VALUE,
        FIRST_ITEM,
        FIRST_KEY,
        KEY,
        COLON,
        AFTER,
        STRING,
        ESCAPE,
        UNICODE,
        WORD,
        MINUS,
        ZERO,
        DIGITS,
        POINT,
        FRACTION,
        EXPONENT,
        EXPONENT_SIGN,
        EXPONENT_DIGITS
    }

    /// Set where the container of a depth is an object.
    private final BitSet objects = new BitSet();

    private int depth;
    private State state = State.VALUE;
    private boolean inKey;
    private String word = "";
    private int count;

    Verdict feed(char c) {
        return switch (state) {
            case VALUE -> Literal.isSpace(c) ? Verdict.MORE : begin(c);
            case FIRST_ITEM -> {
                if (Literal.isSpace(c)) {
                    yield Verdict.MORE;
                }
                yield c == ']' ? close() : begin(c);
            }
            case FIRST_KEY, KEY -> {
                if (Literal.isSpace(c)) {
                    yield Verdict.MORE;
                }
                if (c == '}' && state == State.FIRST_KEY) {
                    yield close();
                }
                inKey = true;
                yield go(c == '"', State.STRING);
            }
            case COLON -> Literal.isSpace(c) ? Verdict.MORE : go(c == ':', State.VALUE);
            case AFTER -> after(c);
            case STRING -> string(c);
            case ESCAPE -> {
                count = 0;
                yield c == 'u'
                        ? go(true, State.UNICODE)
                        : go("\"\\/bfnrt".indexOf(c) >= 0, State.STRING);
            }
            case UNICODE ->
                    go(
                            Character.digit(c, 16) >= 0 && c < 128,
                            ++count == 4 ? State.STRING : State.UNICODE);
            case WORD -> {
                if (c != word.charAt(count)) {
                    yield Verdict.FAILED;
                }
                yield ++count == word.length() ? finished() : Verdict.MORE;
            }
            case MINUS -> isDigit(c) ? digit(c) : Verdict.FAILED;
            case ZERO, DIGITS, FRACTION, EXPONENT_DIGITS -> number(c);
            case POINT -> go(isDigit(c), State.FRACTION);
            case EXPONENT ->
                    c == '+' || c == '-'
                            ? go(true, State.EXPONENT_SIGN)
                            : go(isDigit(c), State.EXPONENT_DIGITS);
            case EXPONENT_SIGN -> go(isDigit(c), State.EXPONENT_DIGITS);
        };
    }

    /// Returns whether the text fed so far is a whole value if nothing follows: a number.
    boolean isWholeNumber() {
        return depth == 0
                && (state == State.ZERO
                        || state == State.DIGITS
                        || state == State.FRACTION
                        || state == State.EXPONENT_DIGITS);
    }

    /// Returns whether a string of an array or an object has begun and not ended.
    boolean isWithinInnerString() {
        return depth > 0
                && (state == State.STRING || state == State.ESCAPE || state == State.UNICODE);
    }

    private Verdict go(boolean allowed, State next) {
        state = next;
        return allowed ? Verdict.MORE : Verdict.FAILED;
    }

    private Verdict begin(char c) {
        return switch (c) {
            case '{' -> open(true);
            case '[' -> open(false);
            case '"' -> {
                inKey = false;
                yield go(true, State.STRING);
            }
            case 't' -> word("true");
            case 'f' -> word("false");
            case 'n' -> word("null");
            case '-' -> go(true, State.MINUS);
            default -> isDigit(c) ? digit(c) : Verdict.FAILED;
        };
    }

    private Verdict open(boolean object) {
        objects.set(depth++, object);
        return go(depth <= MAX_DEPTH, object ? State.FIRST_KEY : State.FIRST_ITEM);
    }

    private Verdict close() {
        depth--;
        return finished();
    }

    private Verdict finished() {
        state = State.AFTER;
        return depth == 0 ? Verdict.END : Verdict.MORE;
    }

    private Verdict word(String expected) {
        word = expected;
        count = 1;
        return go(true, State.WORD);
    }

    private Verdict digit(char c) {
        return go(true, c == '0' ? State.ZERO : State.DIGITS);
    }

    private Verdict number(char c) {
        boolean whole = state == State.ZERO || state == State.DIGITS;
        if (isDigit(c) && state != State.ZERO) {
            return Verdict.MORE;
        }
        if (c == '.' && whole) {
            return go(true, State.POINT);
        }
        if ((c == 'e' || c == 'E') && state != State.EXPONENT_DIGITS) {
            return go(true, State.EXPONENT);
        }
        if (depth == 0) {
            return Verdict.ENDED;
        }
        state = State.AFTER;
        return after(c);
    }

    private Verdict after(char c) {
        if (Literal.isSpace(c)) {
            return Verdict.MORE;
        }
        boolean object = objects.get(depth - 1);
        if (c == ',') {
            return go(true, object ? State.KEY : State.VALUE);
        }
        return c == (object ? '}' : ']') ? close() : Verdict.FAILED;
    }

    private Verdict string(char c) {
        if (c == '"') {
            return inKey ? go(true, State.COLON) : finished();
        }
        return c == '\\' ? go(true, State.ESCAPE) : go(c >= ' ', State.STRING);
    }

    private static boolean isDigit(char c) {
        return c >= '0' && c <= '9';
    }
}
