// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Optional;

/// Reads `(key=value, …)` as an object.
final class PythonArgumentsReader implements CallReader {
    private enum State {
        OPEN,
        KEY_OR_END,
        VALUE,
        AFTER
    }

    private final Optional<PythonKeys> rawStrings;
    private final PythonKeys keys;
    private State state = State.OPEN;
    private LooseReader value = new LooseReader(Optional.empty(), Optional.empty());
    private boolean first = true;

    PythonArgumentsReader(ArgumentForm.Python form, JsonNode parameters) {
        keys = PythonKeys.of(parameters);
        rawStrings = form.rawStrings() ? Optional.of(keys) : Optional.empty();
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
        int end = keys.match(in.text(), in.at());
        if (end < 0) {
            return end == Literal.MORE ? Progress.MORE : Progress.FAILED;
        }
        String key = in.take(end).stripTrailing();
        sink.arguments((first ? "{" : ",") + JsonText.quoted(key) + ":");
        in.skipSpace();
        in.moveTo(in.at() + 1);
        first = false;
        value = new LooseReader(Optional.empty(), rawStrings);
        state = State.VALUE;
        return Progress.DONE;
    }
}
