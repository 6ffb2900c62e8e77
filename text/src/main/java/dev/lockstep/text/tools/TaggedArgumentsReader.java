// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Set;

/// Reads arguments between markers as an object.
///
/// A closing marker ends a value only before the next argument or the end of the call, so that a
/// value may contain it otherwise. Strings are passed on as they come; other values when they end.
final class TaggedArgumentsReader implements CallReader {
    private static final int MAX_KEY = 1000;

    private enum State {
        NEXT,
        KEY,
        VALUE
    }

    /// One way to write a value, prepared.
    private record Form(
            ArgumentForm.ValueType type,
            Literal opening,
            String space,
            String closingSpace,
            Literal closing) {
        Form(ArgumentForm.Value value) {
            this(
                    value.type(),
                    new Literal(value.opening()),
                    MarkerText.trailingSpace(value.opening()),
                    MarkerText.leadingSpace(value.closing()),
                    new Literal(value.closing()));
        }
    }

    private final JsonNode parameters;
    private final Literal begin;
    private final Literal separator;
    private final Literal afterArguments;
    private final List<Form> forms;
    private final StringBuilder value = new StringBuilder();

    /// Follows a value as long as it may be JSON: a marker within its strings does not end it.
    private JsonScanner scanner = new JsonScanner();

    private JsonScanner.Verdict scanned = JsonScanner.Verdict.FAILED;
    private State state = State.NEXT;
    private boolean first = true;
    private boolean isString;
    private boolean spaceSkipped;

    /// The place after the closing marker that [#closing] found.
    private int closingEnd;

    private Form form;
    private Set<SchemaType> types = Set.of();

    /// @param afterArguments what stands after the last argument of a call
    TaggedArgumentsReader(ArgumentForm.Tagged form, String afterArguments, JsonNode parameters) {
        this.parameters = parameters;
        begin = new Literal(form.begin());
        separator = new Literal(form.separator());
        this.afterArguments = new Literal(afterArguments);
        forms = form.values().stream().map(Form::new).toList();
        this.form = forms.get(0);
    }

    @Override
    public Progress read(Input in, CallSink sink) {
        while (true) {
            switch (state) {
                case NEXT -> {
                    Progress next = first ? in.pass(begin) : nextArgument(in);
                    if (next == Progress.FAILED) {
                        sink.arguments(first ? "{}" : "}");
                        return Progress.DONE;
                    }
                    if (next == Progress.MORE) {
                        return Progress.MORE;
                    }
                    state = State.KEY;
                }
                case KEY -> {
                    Progress read = key(in, sink);
                    if (read != Progress.DONE) {
                        return read;
                    }
                }
                case VALUE -> {
                    Progress read = value(in, sink);
                    if (read != Progress.DONE) {
                        return read;
                    }
                }
            }
        }
    }

    private Progress nextArgument(Input in) {
        int start = in.at();
        Progress passed = in.pass(separator);
        if (passed == Progress.DONE) {
            passed = in.pass(begin);
        }
        if (passed != Progress.DONE) {
            in.moveTo(start);
        }
        return passed;
    }

    private Progress key(Input in, CallSink sink) {
        CharSequence text = in.text();
        for (int at = in.at(); at < text.length() && at - in.at() <= MAX_KEY; at++) {
            boolean more = false;
            for (Form each : forms) {
                int end = each.opening().match(text, at);
                more |= end == Literal.MORE;
                if (end >= 0 && !more) {
                    open(in, sink, each, at, end);
                    return Progress.DONE;
                }
            }
            if (more) {
                return Progress.MORE;
            }
        }
        return text.length() - in.at() > MAX_KEY ? Progress.FAILED : Progress.MORE;
    }

    private void open(Input in, CallSink sink, Form found, int keyEnd, int valueStart) {
        String key = in.take(keyEnd).strip();
        in.moveTo(valueStart);
        form = found;
        types =
                switch (found.type()) {
                    case BY_SCHEMA -> SchemaType.of(parameters, key);
                    case STRING -> Set.of(SchemaType.STRING);
                    case JSON -> Set.of();
                };
        isString = types.equals(Set.of(SchemaType.STRING));
        sink.arguments((first ? "{" : ",") + JsonText.quoted(key) + ":" + (isString ? "\"" : ""));
        first = false;
        spaceSkipped = false;
        scanner = new JsonScanner();
        scanned = isString ? JsonScanner.Verdict.FAILED : JsonScanner.Verdict.MORE;
        state = State.VALUE;
    }

    private Progress value(Input in, CallSink sink) {
        CharSequence text = in.text();
        if (!spaceSkipped) {
            for (int i = 0; i < form.space().length(); i++) {
                if (in.at() + i == text.length()) {
                    return Progress.MORE;
                }
                if (text.charAt(in.at() + i) != form.space().charAt(i)) {
                    break;
                }
                if (i == form.space().length() - 1) {
                    in.moveTo(in.at() + form.space().length());
                }
            }
            spaceSkipped = true;
        }
        int at = in.at();
        Progress found = Progress.FAILED;
        while (at < text.length() && found == Progress.FAILED) {
            found = isWithinJson() ? Progress.FAILED : closing(in, at);
            if (found == Progress.FAILED) {
                scan(text.charAt(at));
                at++;
            }
        }
        if (at > in.at()) {
            take(in.take(at), sink);
        }
        if (found != Progress.DONE) {
            return Progress.MORE;
        }
        in.moveTo(closingEnd);
        sink.arguments(isString ? "\"" : LooseValue.json(value.toString(), types));
        value.setLength(0);
        state = State.NEXT;
        return Progress.DONE;
    }

    private void scan(char c) {
        if (scanned == JsonScanner.Verdict.MORE) {
            scanned = scanner.feed(c);
        }
    }

    /// Returns whether the value so far is JSON, and within a string of an array or an object.
    private boolean isWithinJson() {
        return scanned == JsonScanner.Verdict.MORE && scanner.isWithinInnerString();
    }

    private void take(String part, CallSink sink) {
        if (isString) {
            sink.arguments(JsonText.escaped(part));
        } else {
            value.append(part);
        }
    }

    /// Looks for the closing marker at a place; it may begin with the white space before it.
    private Progress closing(Input in, int at) {
        CharSequence text = in.text();
        int start = at;
        String space = form.closingSpace();
        if (!space.isEmpty() && text.charAt(at) == space.charAt(0)) {
            for (int i = 0; i < space.length(); i++, start++) {
                if (start == text.length()) {
                    return Progress.MORE;
                }
                if (text.charAt(start) != space.charAt(i)) {
                    return Progress.FAILED;
                }
            }
        }
        int end = form.closing().match(text, start);
        if (end < 0) {
            return end == Literal.MORE ? Progress.MORE : Progress.FAILED;
        }
        closingEnd = end;
        return followed(in, end);
    }

    /// Returns whether the call goes on as it does after a value.
    private Progress followed(Input in, int end) {
        CharSequence text = in.text();
        int next = Literal.skipSpace(text, end);
        if (in.ended() && next == text.length()) {
            return Progress.DONE;
        }
        int call = afterArguments.isEmpty() ? next : afterArguments.match(text, next);
        Literal argument = separator.isEmpty() ? begin : separator;
        int another = argument.match(text, next);
        if (call >= 0 || another >= 0) {
            return Progress.DONE;
        }
        boolean more = call == Literal.MORE || another == Literal.MORE;
        return more ? (in.ended() ? Progress.DONE : Progress.MORE) : Progress.FAILED;
    }
}
