// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/// Reads a call that is a JSON object: its keys may come in any order, and others are skipped.
final class JsonCallReader implements CallReader {
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private enum State {
        OPEN,
        FIRST_KEY,
        KEY,
        KEY_TEXT,
        COLON,
        VALUE,
        ARGUMENTS,
        OTHER,
        AFTER
    }

    private final CallForm form;
    private final StringBuilder pending = new StringBuilder();

    /// Arguments that came before the name.
    private final StringBuilder early = new StringBuilder();

    private JsonScanner scanner = new JsonScanner();
    private State state = State.OPEN;
    private String key = "";
    private boolean named;
    private boolean hasArguments;

    JsonCallReader(CallForm.JsonCall form) {
        this.form = form;
    }

    JsonCallReader(CallForm.NamedJson form) {
        this.form = form;
    }

    @Override
    public Progress read(Input in, CallSink sink) {
        CharSequence text = in.text();
        while (!in.isEmpty()) {
            char c = in.peek();
            switch (state) {
                case KEY_TEXT, OTHER -> {
                    Progress read = collect(in, text, sink);
                    if (read != Progress.DONE) {
                        return read;
                    }
                }
                case ARGUMENTS -> {
                    Progress read = arguments(in, text, sink);
                    if (read != Progress.DONE) {
                        return read;
                    }
                }
                default -> {
                    if (Literal.isSpace(c)) {
                        in.moveTo(in.at() + 1);
                        continue;
                    }
                    if (c == '}' && (state == State.AFTER || state == State.FIRST_KEY)) {
                        in.moveTo(in.at() + 1);
                        return end(sink);
                    }
                    if (!punctuation(in, c)) {
                        return Progress.FAILED;
                    }
                }
            }
        }
        return Progress.MORE;
    }

    private boolean punctuation(Input in, char c) {
        switch (state) {
            case OPEN -> state = c == '{' ? State.FIRST_KEY : State.OPEN;
            case FIRST_KEY, KEY -> {
                scanner = new JsonScanner();
                state = State.KEY_TEXT;
                return c == '"';
            }
            case COLON -> state = State.VALUE;
            case AFTER -> state = State.KEY;
            case VALUE -> {
                scanner = new JsonScanner();
                state = isArguments() && c == '{' ? State.ARGUMENTS : State.OTHER;
                return true;
            }
            case KEY_TEXT, ARGUMENTS, OTHER -> throw new IllegalStateException("in a value");
        }
        in.moveTo(in.at() + 1);
        return c == (state == State.FIRST_KEY ? '{' : state == State.VALUE ? ':' : ',');
    }

    private boolean isArguments() {
        return !hasArguments
                && switch (form) {
                    case CallForm.JsonCall json -> json.argumentsKey().equals(key);
                    case CallForm.NamedJson _ -> true;
                    case CallForm.Pieces _ -> false;
                };
    }

    /// Collects a key or a value that is not passed on at once.
    private Progress collect(Input in, CharSequence text, CallSink sink) {
        for (int at = in.at(); at < text.length(); at++) {
            JsonScanner.Verdict verdict = scanner.feed(text.charAt(at));
            if (verdict == JsonScanner.Verdict.FAILED) {
                return Progress.FAILED;
            }
            if (verdict != JsonScanner.Verdict.MORE) {
                int end = verdict == JsonScanner.Verdict.END ? at + 1 : at;
                String json = pending + in.take(end);
                pending.setLength(0);
                return take(json, sink) ? Progress.DONE : Progress.FAILED;
            }
        }
        pending.append(in.take(text.length()));
        return Progress.MORE;
    }

    private boolean take(String json, CallSink sink) {
        if (state == State.KEY_TEXT) {
            key = text(json);
            state = State.COLON;
            return !(form instanceof CallForm.NamedJson) || (!named && name(key, sink));
        }
        state = State.AFTER;
        if (isArguments()) {
            return textArguments(json, sink);
        }
        if (form instanceof CallForm.JsonCall call && call.nameKey().equals(key)) {
            return !named && json.startsWith("\"") && name(text(json), sink);
        }
        if (form instanceof CallForm.JsonCall call
                && call.idKey().filter(key::equals).isPresent()
                && json.startsWith("\"")) {
            sink.id(text(json));
        }
        return true;
    }

    private boolean name(String name, CallSink sink) {
        named = true;
        if (!sink.name(name)) {
            return false;
        }
        if (!early.isEmpty()) {
            sink.arguments(early.toString());
            early.setLength(0);
        }
        return true;
    }

    private void pass(String arguments, CallSink sink) {
        if (named) {
            sink.arguments(arguments);
        } else {
            early.append(arguments);
        }
    }

    /// Takes arguments that are the text of an object, or none at all.
    private boolean textArguments(String json, CallSink sink) {
        hasArguments = true;
        String object = json.startsWith("\"") ? text(json) : json;
        if (object.isBlank() || object.equals("null")) {
            pass("{}", sink);
            return true;
        }
        if (!json.startsWith("\"") || !isObject(object)) {
            return false;
        }
        pass(object, sink);
        return true;
    }

    private static boolean isObject(String json) {
        try {
            JsonNode value = JSON.readTree(json);
            return value instanceof ObjectNode;
        } catch (JsonProcessingException e) {
            return false;
        }
    }

    private Progress arguments(Input in, CharSequence text, CallSink sink) {
        for (int at = in.at(); at < text.length(); at++) {
            JsonScanner.Verdict verdict = scanner.feed(text.charAt(at));
            if (verdict == JsonScanner.Verdict.FAILED) {
                return Progress.FAILED;
            }
            if (verdict == JsonScanner.Verdict.END) {
                pass(in.take(at + 1), sink);
                hasArguments = true;
                state = State.AFTER;
                return Progress.DONE;
            }
        }
        pass(in.take(text.length()), sink);
        return Progress.MORE;
    }

    private Progress end(CallSink sink) {
        if (!named) {
            return Progress.FAILED;
        }
        if (!hasArguments) {
            sink.arguments("{}");
        }
        return Progress.DONE;
    }

    private static String text(String json) {
        try {
            return JSON.readValue(json, String.class);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a scanned string does not parse: " + json, e);
        }
    }
}
