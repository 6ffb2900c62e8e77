// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/// What may stand before the `=` of an argument: an identifier, or the name of a property, which
/// templates write also where it is none.
///
/// @param others names of properties that are no identifiers
record PythonKeys(List<String> others) {
    private static final int MAX_LENGTH = 1000;

    PythonKeys {
        others = List.copyOf(others);
    }

    static PythonKeys of(JsonNode parameters) {
        List<String> others = new ArrayList<>();
        parameters
                .path("properties")
                .fieldNames()
                .forEachRemaining(
                        name -> {
                            if (identifierEnd(name, 0) < name.length()) {
                                others.add(name);
                            }
                        });
        return new PythonKeys(others);
    }

    /// Returns the end of a key that `=` follows, [Literal#NO] or [Literal#MORE].
    int match(CharSequence text, int from) {
        int end = identifierEnd(text, from);
        int found = end - from > MAX_LENGTH ? Literal.NO : followed(text, end);
        if (found >= 0 && end > from) {
            return end;
        }
        boolean more = found == Literal.MORE;
        for (String each : others) {
            int length = Math.min(each.length(), text.length() - from);
            if (each.startsWith(text.subSequence(from, from + length).toString())) {
                int after = length < each.length() ? Literal.MORE : followed(text, from + length);
                if (after >= 0) {
                    return from + length;
                }
                more |= after == Literal.MORE;
            }
        }
        return more ? Literal.MORE : Literal.NO;
    }

    private static int followed(CharSequence text, int end) {
        int equals = Literal.skipSpace(text, end);
        return equals == text.length()
                ? Literal.MORE
                : text.charAt(equals) == '=' ? equals : Literal.NO;
    }

    private static int identifierEnd(CharSequence text, int from) {
        int end = from;
        while (end < text.length()
                && end - from <= MAX_LENGTH
                && (Character.isJavaIdentifierPart(text.charAt(end)) || text.charAt(end) == '-')) {
            end++;
        }
        return end;
    }
}
