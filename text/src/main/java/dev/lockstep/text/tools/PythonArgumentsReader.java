// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.Optional;

/// Reads `(key=value, …)` as an object.
final class PythonArgumentsReader implements CallReader {
    private static final int MAX_KEY = 1000;

    private enum State {
        OPEN,
        KEY_OR_END,
        VALUE,
        AFTER
    }

    private final ArgumentForm.Python form;
    private State state = State.OPEN;
    private LooseReader value = new LooseReader(Optional.empty(), false);
    private boolean first = true;

    PythonArgumentsReader(ArgumentForm.Python form) {
        this.form = form;
    }

    @Override
    public Progress read(Input in, CallSink sink) {
        while (true) {
            if (state == State.VALUE) {
                Progress read = value.read(in);
                String json = value.json();
                if (!json.isEmpty()) {
                    sink.arguments(json);
                }
                if (read != Progress.DONE) {
                    return read;
                }
                state = State.AFTER;
            }
            in.skipSpace();
            if (in.isEmpty()) {
                return Progress.MORE;
            }
            char c = in.peek();
            if (c == ')' && (state == State.KEY_OR_END || state == State.AFTER)) {
                in.moveTo(in.at() + 1);
                sink.arguments(first ? "{}" : "}");
                return Progress.DONE;
            }
            if (state == State.KEY_OR_END) {
                Progress read = key(in, sink);
                if (read != Progress.DONE) {
                    return read;
                }
            } else {
                if (c != (state == State.OPEN ? '(' : ',')) {
                    return Progress.FAILED;
                }
                in.moveTo(in.at() + 1);
                state = State.KEY_OR_END;
            }
        }
    }

    private Progress key(Input in, CallSink sink) {
        CharSequence text = in.text();
        int end = in.at();
        while (end < text.length()
                && (Character.isJavaIdentifierPart(text.charAt(end)) || text.charAt(end) == '-')) {
            if (++end - in.at() > MAX_KEY) {
                return Progress.FAILED;
            }
        }
        int equals = Literal.skipSpace(text, end);
        if (equals == text.length()) {
            return Progress.MORE;
        }
        if (end == in.at() || text.charAt(equals) != '=') {
            return Progress.FAILED;
        }
        sink.arguments((first ? "{" : ",") + JsonText.quoted(in.take(end)) + ":");
        in.moveTo(equals + 1);
        first = false;
        value = new LooseReader(Optional.empty(), form.rawStrings());
        state = State.VALUE;
        return Progress.DONE;
    }
}
