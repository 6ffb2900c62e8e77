// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.function.Supplier;

/// Reads one value of JSON, Python or a syntax with quotes of its own, and writes it as JSON.
final class LooseReader {
    private enum State {
        VALUE,
        ITEM_OR_END,
        KEY_OR_END,
        COLON,
        AFTER,
        STRING,
        END
    }

    /// A model's own quote; strings between it have no escapes, keys have no quotes.
    private final Optional<String> ownQuote;

    /// Present if a string that is the whole value has no escapes: what may follow it.
    private final Optional<PythonKeys> rawString;

    private final Deque<Character> open = new ArrayDeque<>();
    private final StringBuilder json = new StringBuilder();
    private State state = State.VALUE;
    private boolean first = true;
    private boolean isKey;
    private String quote = "";

    LooseReader(Optional<String> ownQuote, Optional<PythonKeys> rawString) {
        this.ownQuote = ownQuote;
        this.rawString = rawString;
    }

    /// Reads on; what it wrote so far waits in [#json].
    Progress read(Input in) {
        while (state != State.END) {
            if (in.isEmpty()) {
                return in.ended() ? Progress.FAILED : Progress.MORE;
            }
            if (state != State.STRING && Literal.isSpace(in.peek())) {
                in.moveTo(in.at() + 1);
                continue;
            }
            Progress step = step(in);
            if (step != Progress.DONE) {
                return step;
            }
        }
        return Progress.DONE;
    }

    /// Returns what was written since the last call.
    String json() {
        String written = json.toString();
        json.setLength(0);
        return written;
    }

    private Progress step(Input in) {
        return switch (state) {
            case VALUE, ITEM_OR_END -> value(in);
            case KEY_OR_END -> key(in);
            case COLON -> {
                json.append(':');
                yield pass(in, in.peek() == ':', State.VALUE);
            }
            case AFTER -> after(in);
            case STRING -> string(in);
            case END -> Progress.DONE;
        };
    }

    private static Progress ok(boolean good) {
        return good ? Progress.DONE : Progress.FAILED;
    }

    private Progress pass(Input in, boolean good, State next) {
        in.moveTo(in.at() + 1);
        state = next;
        return ok(good);
    }

    private Progress value(Input in) {
        char c = in.peek();
        if (state == State.ITEM_OR_END && closes(c)) {
            return close(in);
        }
        if (state == State.ITEM_OR_END) {
            comma();
            state = State.VALUE;
        }
        if (c == '{' || c == '[' || c == '(') {
            open.push(c);
            json.append(c == '{' ? '{' : '[');
            first = true;
            return pass(
                    in,
                    open.size() <= JsonScanner.MAX_DEPTH,
                    c == '{' ? State.KEY_OR_END : State.ITEM_OR_END);
        }
        return quoteOr(in, false, () -> word(in));
    }

    private Progress key(Input in) {
        if (closes(in.peek())) {
            return close(in);
        }
        return quoteOr(in, true, () -> bareKey(in));
    }

    /// Begins a string if the text has a quote here.
    private Progress quoteOr(Input in, boolean key, Supplier<Progress> other) {
        String found = "";
        if (ownQuote.isPresent()) {
            String own = ownQuote.get();
            int rest = in.text().length() - in.at();
            int length = Math.min(rest, own.length());
            if (own.contentEquals(in.text().subSequence(in.at(), in.at() + length))
                    || own.startsWith(
                            in.text().subSequence(in.at(), in.at() + length).toString())) {
                if (length < own.length()) {
                    return in.ended() ? Progress.FAILED : Progress.MORE;
                }
                found = own;
            }
        } else if (in.peek() == '"' || in.peek() == '\'') {
            found = String.valueOf(in.peek());
        }
        if (found.isEmpty()) {
            return other.get();
        }
        if (key) {
            comma();
        }
        isKey = key;
        quote = found;
        in.moveTo(in.at() + found.length());
        json.append('"');
        state = State.STRING;
        return Progress.DONE;
    }

    private void comma() {
        if (!first) {
            json.append(',');
        }
        first = false;
    }

    private Progress bareKey(Input in) {
        if (ownQuote.isEmpty()) {
            return Progress.FAILED;
        }
        int end = find(in, ':', 1000);
        if (end < 0) {
            return end == Literal.MORE && !in.ended() ? Progress.MORE : Progress.FAILED;
        }
        comma();
        json.append(JsonText.quoted(in.take(end)));
        state = State.COLON;
        return Progress.DONE;
    }

    private static int find(Input in, char wanted, int limit) {
        for (int at = in.at(); at < in.text().length(); at++) {
            if (in.text().charAt(at) == wanted) {
                return at;
            }
            if (at - in.at() > limit) {
                return Literal.NO;
            }
        }
        return Literal.MORE;
    }

    /// Reads a number, a truth value or none.
    private Progress word(Input in) {
        int end = in.at();
        while (end < in.text().length() && isWord(in.text().charAt(end))) {
            if (++end - in.at() > 400) {
                return Progress.FAILED;
            }
        }
        if (end == in.text().length() && !in.ended()) {
            return Progress.MORE;
        }
        String word = in.take(end);
        String written =
                switch (word) {
                    case "True", "true" -> "true";
                    case "False", "false" -> "false";
                    case "None", "null" -> "null";
                    default -> word;
                };
        json.append(written);
        finished();
        return ok(!written.equals(word) || isJson(word));
    }

    private static boolean isJson(String word) {
        var scanner = new JsonScanner();
        for (int i = 0; i < word.length(); i++) {
            JsonScanner.Verdict verdict = scanner.feed(word.charAt(i));
            if (verdict != JsonScanner.Verdict.MORE) {
                return verdict == JsonScanner.Verdict.END && i == word.length() - 1;
            }
        }
        return scanner.isWholeNumber();
    }

    private static boolean isWord(char c) {
        return Character.isLetterOrDigit(c) || c == '+' || c == '-' || c == '.' || c == '_';
    }

    private void finished() {
        state = open.isEmpty() ? State.END : State.AFTER;
    }

    private Progress after(Input in) {
        char c = in.peek();
        if (closes(c)) {
            return close(in);
        }
        return pass(in, c == ',', open.element() == '{' ? State.KEY_OR_END : State.ITEM_OR_END);
    }

    private boolean closes(char c) {
        return switch (open.element()) {
            case '{' -> c == '}';
            case '[' -> c == ']';
            default -> c == ')';
        };
    }

    private Progress close(Input in) {
        json.append(open.pop() == '{' ? '}' : ']');
        in.moveTo(in.at() + 1);
        first = false;
        finished();
        return Progress.DONE;
    }

    private Progress string(Input in) {
        boolean raw = ownQuote.isPresent() || (rawString.isPresent() && open.isEmpty());
        while (!in.isEmpty()) {
            char c = in.peek();
            if (c == quote.charAt(0)) {
                Progress end = quoteEnds(in, raw && ownQuote.isEmpty());
                if (end == Progress.DONE) {
                    in.moveTo(in.at() + quote.length());
                    json.append('"');
                    if (isKey) {
                        state = State.COLON;
                    } else {
                        finished();
                    }
                    return Progress.DONE;
                }
                if (end == Progress.MORE) {
                    return Progress.MORE;
                }
            } else if (c == '\\' && !raw) {
                int end = escape(in);
                if (end < 0) {
                    return end == Literal.MORE && !in.ended() ? Progress.MORE : Progress.FAILED;
                }
                in.moveTo(end);
                continue;
            }
            json.append(JsonText.escaped(in.take(in.at() + 1)));
        }
        return in.ended() ? Progress.FAILED : Progress.MORE;
    }

    /// Returns whether the quote here ends the string. Where strings have no escapes, only one
    /// before the next argument or the end of the arguments does.
    private Progress quoteEnds(Input in, boolean beforeDelimiter) {
        CharSequence text = in.text();
        for (int i = 0; i < quote.length(); i++) {
            if (in.at() + i >= text.length()) {
                return in.ended() ? Progress.FAILED : Progress.MORE;
            }
            if (text.charAt(in.at() + i) != quote.charAt(i)) {
                return Progress.FAILED;
            }
        }
        if (!beforeDelimiter) {
            return Progress.DONE;
        }
        int next = Literal.skipSpace(text, in.at() + quote.length());
        if (next == text.length()) {
            return in.ended() ? Progress.DONE : Progress.MORE;
        }
        if (text.charAt(next) != ',') {
            return ok(text.charAt(next) == ')');
        }
        int key = rawString.orElseThrow().match(text, Literal.skipSpace(text, next + 1));
        return key == Literal.MORE && !in.ended() ? Progress.MORE : ok(key >= 0);
    }

    /// Writes an escape of Python or JSON and returns its end, [Literal#NO] or [Literal#MORE].
    private int escape(Input in) {
        CharSequence text = in.text();
        int at = in.at();
        if (at + 1 >= text.length()) {
            return Literal.MORE;
        }
        char c = text.charAt(at + 1);
        int digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits > 0) {
            if (at + 2 + digits > text.length()) {
                return Literal.MORE;
            }
            int code = 0;
            for (int i = 0; i < digits; i++) {
                int digit = Character.digit(text.charAt(at + 2 + i), 16);
                if (digit < 0 || code > Character.MAX_CODE_POINT) {
                    return Literal.NO;
                }
                code = code * 16 + digit;
            }
            if (code > Character.MAX_CODE_POINT) {
                return Literal.NO;
            }
            for (char unit : Character.toChars(code)) {
                json.append(
                        unit < ' ' || Character.isSurrogate(unit)
                                ? "\\u%04x".formatted((int) unit)
                                : JsonText.escaped(String.valueOf(unit)));
            }
            return at + 2 + digits;
        }
        json.append(
                switch (c) {
                    case 'n', 'r', 't', 'b', 'f', '\\', '"' -> "\\" + c;
                    case '\'', '/' -> String.valueOf(c);
                    case '0' -> "\\u0000";
                    case 'a' -> "\\u0007";
                    case 'v' -> "\\u000b";
                    default -> "\\\\" + JsonText.escaped(String.valueOf(c));
                });
        return at + 2;
    }
}
