// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

/// Reads arguments that are a JSON object, and passes them on as they are.
final class JsonArgumentsReader implements CallReader {
    private final JsonScanner scanner = new JsonScanner();
    private boolean begun;

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
        CharSequence text = in.text();
        for (int at = in.at(); at < text.length(); at++) {
            JsonScanner.Verdict verdict = scanner.feed(text.charAt(at));
            if (verdict == JsonScanner.Verdict.FAILED) {
                return Progress.FAILED;
            }
            if (verdict == JsonScanner.Verdict.END) {
                sink.arguments(in.take(at + 1));
                return Progress.DONE;
            }
        }
        if (!in.isEmpty()) {
            sink.arguments(in.take(text.length()));
        }
        return Progress.MORE;
    }
}
