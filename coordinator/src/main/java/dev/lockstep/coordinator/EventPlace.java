// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How much of a stream a client has, as the id of an event says it: `RESPONSE/0:17,1:15.2` after
/// 17 tokens of choice 0, and 15 tokens and two chunks of the next one of choice 1; `RESPONSE/end`
/// after all events; `RESPONSE` before the first.
///
/// The end of a choice counts as a token. Choices that are not named have not begun.
record EventPlace(String response, Map<Integer, Step> choices, boolean end) {
    /// The limit of choices of a stream whose events have ids.
    static final int MAX_CHOICES = 128;

    private static final String END = "end";
    private static final int MAX_LENGTH = 6000;
    private static final Pattern FORM =
            Pattern.compile("([A-Za-z0-9_-]{1,128})(?:/(end|[0-9:.,]+))?");
    private static final Pattern CHOICE =
            Pattern.compile("([0-9]{1,6}):([0-9]{1,9})(?:\\.([0-9]{1,6}))?");

    /// @param position whole tokens
    /// @param chunks of the next token
    record Step(int position, int chunks) {}

    EventPlace {
        choices = Map.copyOf(choices);
    }

    static EventPlace begin(String response) {
        return new EventPlace(response, Map.of(), false);
    }

    /// Parses an id.
    ///
    /// @param field names it in the error
    static EventPlace parse(String field, String id) {
        Matcher form = FORM.matcher(id);
        if (id.length() > MAX_LENGTH || !form.matches()) {
            throw invalid(field, id);
        }
        String rest = form.group(2);
        if (rest == null || rest.equals(END)) {
            return new EventPlace(form.group(1), Map.of(), rest != null);
        }
        var choices = new TreeMap<Integer, Step>();
        for (String part : rest.split(",", -1)) {
            Matcher choice = CHOICE.matcher(part);
            if (!choice.matches()) {
                throw invalid(field, id);
            }
            String chunks = choice.group(3);
            choices.put(
                    Integer.parseInt(choice.group(1)),
                    new Step(
                            Integer.parseInt(choice.group(2)),
                            chunks == null ? 0 : Integer.parseInt(chunks)));
        }
        return new EventPlace(form.group(1), choices, false);
    }

    private static ApiError invalid(String field, String id) {
        return ApiError.invalid(
                field, field + " is \"" + Json.quoted(id) + "\", which is not the id of an event");
    }

    /// Returns how many tokens of a choice the client has at least.
    int position(int choice) {
        if (end) {
            return Integer.MAX_VALUE;
        }
        Step step = choices.get(choice);
        return step == null ? 0 : step.position();
    }
}
