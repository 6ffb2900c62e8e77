// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/// A field that other servers know and that is not served.
///
/// @param harmless the values without effect, which are accepted
/// @param instead the rest of the message to a client that sends another value
record UnservedField(String name, Predicate<JsonNode> harmless, String instead) {
    private static final String LEAVE_OUT = "leave it out";

    static UnservedField of(String name, Predicate<JsonNode> harmless) {
        return new UnservedField(name, harmless, LEAVE_OUT);
    }

    /// A field without a harmless value except null.
    static UnservedField any(String name) {
        return of(name, value -> false);
    }

    static UnservedField unlessOff(String name) {
        return of(name, UnservedField::isOff);
    }

    static UnservedField unlessOn(String name) {
        return of(name, value -> value.isBoolean() && value.asBoolean());
    }

    /// A field whose empty text, array or object has no effect.
    static UnservedField unlessEmpty(String name) {
        return of(name, UnservedField::isEmpty);
    }

    static UnservedField unlessNumber(String name, int harmless) {
        return of(name, value -> value.isNumber() && value.doubleValue() == harmless);
    }

    static UnservedField unlessText(String name, String... harmless) {
        Set<String> words = Set.copyOf(List.of(harmless));
        return of(name, value -> value.isTextual() && words.contains(value.textValue()));
    }

    /// A switch that other servers write as true or false, or as an object whose member has a value
    /// that means off.
    static UnservedField unlessDisabled(String name, String member, String off) {
        return of(
                name,
                value ->
                        isOff(value)
                                || isEmpty(value)
                                || value.path(member).asText().equals(off)
                                || isOff(value.path("enabled")));
    }

    /// Returns the field with the name of what is served instead.
    UnservedField use(String served) {
        return new UnservedField(name, harmless, "use " + served);
    }

    static boolean isOff(JsonNode value) {
        return value.isBoolean() && !value.asBoolean();
    }

    static boolean isEmpty(JsonNode value) {
        return value.isTextual()
                ? value.textValue().isEmpty()
                : value.isContainerNode() && value.isEmpty();
    }
}
