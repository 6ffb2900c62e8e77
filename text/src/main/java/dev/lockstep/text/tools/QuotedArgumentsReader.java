// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.Optional;

/// Reads `{key:value,…}` with a model's own quotes.
final class QuotedArgumentsReader implements CallReader {
    private final LooseReader object;
    private boolean begun;

    QuotedArgumentsReader(ArgumentForm.Quoted form) {
        object = new LooseReader(Optional.of(form.quote()), Optional.empty());
    }

    @Override
    public Progress read(Input in, CallSink sink) {
        if (!begun) {
            in.skipSpace();
            if (in.isEmpty()) {
                return Progress.MORE;
            }
            if (in.peek() != '{') {
                return Progress.FAILED;
            }
            begun = true;
        }
        Progress read = object.read(in);
        String json = object.json();
        if (!json.isEmpty()) {
            sink.arguments(json);
        }
        return read;
    }
}
