// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Learns how arguments are written, from the answers of a template to trial calls.
///
/// @param first an answer with [TrialCall#FIRST]
/// @param hard an answer with [TrialCall#HARD]
/// @param numeric an answer with [TrialCall#NUMERIC]
record ArgumentLearner(String first, String hard, String numeric) {
    /// How templates that write elements name those of items.
    private static final String ITEM = "item";

    /// Where the arguments of a call stand, and their form.
    record Found(int start, int end, ArgumentForm form) {}

    /// Finds the arguments behind a call's name.
    Optional<Found> find(String text, int name, TrialCall call) {
        int nameEnd = name + call.name().length();
        Optional<JsonSpan> json = JsonSpan.find(text, nameEnd, text.length(), call.json()::equals);
        if (json.isPresent()) {
            return Optional.of(
                    new Found(json.get().start(), json.get().end(), new ArgumentForm.Json()));
        }
        int key = text.indexOf(TrialCall.KEY, nameEnd);
        int value = key < 0 ? -1 : text.indexOf(TrialCall.VALUE, key);
        int second = value < 0 ? -1 : text.indexOf(TrialCall.SECOND_KEY, value);
        int last = second < 0 ? -1 : text.indexOf(TrialCall.SECOND_VALUE, second);
        if (last < 0) {
            return Optional.empty();
        }
        int lastName = text.lastIndexOf(call.name(), key) + call.name().length();
        String opening = text.substring(key + TrialCall.KEY.length(), value);
        int lastEnd = last + TrialCall.SECOND_VALUE.length();
        if (text.startsWith("(", nameEnd) && opening.startsWith("=")) {
            int end = text.indexOf(')', lastEnd) + 1;
            return end == 0
                    ? Optional.empty()
                    : Optional.of(
                            new Found(
                                    nameEnd,
                                    end,
                                    new ArgumentForm.Python(hard.contains(TrialCall.HARD_VALUE))));
        }
        if (text.startsWith("{", nameEnd) && opening.startsWith(":") && opening.length() > 1) {
            int end = text.indexOf('}', lastEnd) + 1;
            return end == 0
                    ? Optional.empty()
                    : Optional.of(
                            new Found(
                                    nameEnd,
                                    end,
                                    new ArgumentForm.Quoted(opening.substring(1).strip())));
        }
        Optional<String> prefix =
                elements(opening, text.substring(value + TrialCall.VALUE.length(), second));
        if (prefix.isPresent() && text.startsWith(prefix.get() + "</", lastEnd)) {
            return Optional.of(
                    new Found(
                            key - prefix.get().length() - 1,
                            text.indexOf('>', lastEnd + prefix.get().length()) + 1,
                            new ArgumentForm.Elements(prefix.get(), ITEM)));
        }
        return tagged(
                text.substring(lastName, key),
                opening,
                text.substring(value + TrialCall.VALUE.length(), second),
                text.substring(lastEnd),
                key,
                lastEnd);
    }

    /// Returns what stands before each tag if keys are names of elements.
    ///
    /// @param between between the first value and the second key
    private static Optional<String> elements(String opening, String between) {
        String end = "</" + TrialCall.KEY + ">";
        int at = between.indexOf(end);
        String prefix = at < 0 ? "" : between.substring(0, at);
        return opening.equals(">")
                        && !prefix.isBlank()
                        && between.equals(prefix + end + prefix + "<")
                ? Optional.of(prefix)
                : Optional.empty();
    }

    /// @param before between the name and the first key
    /// @param between between the first value and the second key
    /// @param after behind the last value
    private Optional<Found> tagged(
            String before, String opening, String between, String after, int key, int lastEnd) {
        String begin = MarkerText.commonSuffix(before, between);
        String rest = between.substring(0, between.length() - begin.length());
        String closing = MarkerText.commonPrefix(rest, after);
        if (begin.isBlank()
                || opening.isBlank()
                || closing.isBlank()
                || rest.contains(TrialCall.KEY)) {
            return Optional.empty();
        }
        return values(opening, closing)
                .map(
                        values ->
                                new Found(
                                        key - begin.length(),
                                        lastEnd + closing.length(),
                                        new ArgumentForm.Tagged(
                                                begin, values, rest.substring(closing.length()))));
    }

    /// Returns the ways to write a value; empty if strings are escaped in a way not known here.
    private Optional<List<ArgumentForm.Value>> values(String opening, String closing) {
        String end =
                first.substring(
                        first.lastIndexOf(TrialCall.SECOND_VALUE)
                                + TrialCall.SECOND_VALUE.length()
                                + closing.length());
        Optional<ArgumentForm.Value> string =
                value(
                        hard,
                        TrialCall.KEY,
                        TrialCall.HARD_VALUE,
                        end,
                        ArgumentForm.ValueType.STRING);
        if (string.isEmpty()) {
            return Optional.empty();
        }
        Optional<ArgumentForm.Value> number =
                value(
                        numeric,
                        "qznumber",
                        String.valueOf(TrialCall.NUMBER),
                        end,
                        ArgumentForm.ValueType.JSON);
        var plain = new ArgumentForm.Value(opening, closing, ArgumentForm.ValueType.BY_SCHEMA);
        List<ArgumentForm.Value> values = new ArrayList<>();
        if (!string.get().opening().equals(opening)) {
            values.add(string.get());
        }
        if (number.isPresent() && !number.get().opening().equals(opening)) {
            values.add(new ArgumentForm.Value(opening, closing, ArgumentForm.ValueType.STRING));
            values.add(number.get());
        } else {
            values.add(plain);
        }
        return Optional.of(values);
    }

    private static Optional<ArgumentForm.Value> value(
            String text, String key, String value, String end, ArgumentForm.ValueType type) {
        int keyAt = text.indexOf(key);
        int valueAt = keyAt < 0 ? -1 : text.indexOf(value, keyAt);
        if (valueAt < 0) {
            return Optional.empty();
        }
        String opening = text.substring(keyAt + key.length(), valueAt);
        String after = text.substring(valueAt + value.length());
        String tail = MarkerText.commonSuffix(end, after);
        String closing = after.substring(0, after.length() - tail.length());
        return opening.isBlank() || closing.isBlank()
                ? Optional.empty()
                : Optional.of(new ArgumentForm.Value(opening, closing, type));
    }
}
