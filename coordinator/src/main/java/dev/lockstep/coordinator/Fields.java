// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BigIntegerNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.BiFunction;

/// The fields of a JSON object from a client, read strictly: `"1"` is not a number, and a value out
/// of range is refused with field, value and limit.
///
/// A field that is null counts as absent. Text has no lone surrogates.
///
/// @param path the location of the object, as a prefix of its fields' names: empty, or
///   `messages[2].`
record Fields(ObjectNode node, String path) {

    Fields(ObjectNode node) {
        this(node, "");
    }

    /// Returns the name of a field for error messages.
    String name(String field) {
        return path + field;
    }

    /// Returns the value, as missing when it is null.
    JsonNode value(String field) {
        JsonNode value = node.path(field);
        return value.isNull() ? MissingNode.getInstance() : value;
    }

    boolean has(String field) {
        return !value(field).isMissingNode();
    }

    Optional<String> text(String field) {
        return has(field) ? Optional.of(text(name(field), value(field))) : Optional.empty();
    }

    String requireText(String field) {
        return text(field)
                .orElseThrow(
                        () ->
                                ApiError.invalid(
                                        name(field), name(field) + " is missing, give text"));
    }

    /// Reads a text that must be one of several words.
    String requireOneOf(String field, List<String> words) {
        String text = requireText(field);
        if (!words.contains(text)) {
            int last = words.size() - 1;
            throw ApiError.invalid(
                    name(field),
                    "%s is \"%s\", it must be %s or %s"
                            .formatted(
                                    name(field),
                                    Json.quoted(text),
                                    String.join(", ", words.subList(0, last)),
                                    words.get(last)));
        }
        return text;
    }

    boolean flag(String field, boolean defaultValue) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return defaultValue;
        }
        if (!value.isBoolean()) {
            throw wrong(name(field), "true or false", value);
        }
        return value.booleanValue();
    }

    OptionalInt integer(String field, int min, int max) {
        if (!has(field)) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(integer(name(field), value(field), min, max));
    }

    int integer(String field, int min, int max, int defaultValue) {
        return integer(field, min, max).orElse(defaultValue);
    }

    /// Reads any whole number of 64 bits.
    OptionalLong whole(String field) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return OptionalLong.empty();
        }
        JsonNode whole = whole(name(field), "a whole number", value);
        if (!whole.canConvertToLong()) {
            throw outside(name(field), value, "[-2^63, 2^63)");
        }
        return OptionalLong.of(whole.longValue());
    }

    float number(String field, double min, double max, float defaultValue) {
        JsonNode value = value(field);
        return value.isMissingNode() ? defaultValue : number(name(field), value, min, max);
    }

    /// Reads a number in (0, max].
    float positive(String field, double max, float defaultValue) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return defaultValue;
        }
        float number = number(name(field), value, 0, max);
        if (number == 0) {
            throw outside(name(field), value, "(0, " + plain(max) + "]");
        }
        return number;
    }

    /// Reads the elements of an array, each by `reader` with its name; empty when absent.
    <T> List<T> list(String field, int max, BiFunction<String, JsonNode, T> reader) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return List.of();
        }
        if (!value.isArray()) {
            throw wrong(name(field), "an array", value);
        }
        if (value.size() > max) {
            throw ApiError.invalid(
                    name(field),
                    name(field)
                            + " has "
                            + value.size()
                            + " entries, at most "
                            + max
                            + " are accepted");
        }
        List<T> list = new ArrayList<>(value.size());
        for (int i = 0; i < value.size(); i++) {
            list.add(reader.apply(name(field) + "[" + i + "]", value.get(i)));
        }
        return list;
    }

    Optional<Fields> object(String field) {
        return has(field) ? Optional.of(object(name(field), value(field))) : Optional.empty();
    }

    Iterable<Map.Entry<String, JsonNode>> entries() {
        return node.properties();
    }

    static Fields object(String name, JsonNode value) {
        if (!(value instanceof ObjectNode object)) {
            throw wrong(name, "an object", value);
        }
        return new Fields(object, name + ".");
    }

    static String text(String name, JsonNode value) {
        if (!value.isTextual()) {
            throw wrong(name, "text", value);
        }
        return Json.wellFormed(value.textValue());
    }

    static int integer(String name, JsonNode value, int min, int max) {
        JsonNode whole = whole(name, "a whole number", value);
        if (!whole.canConvertToInt() || whole.intValue() < min || whole.intValue() > max) {
            throw outside(name, value, "[" + min + ", " + max + "]");
        }
        return whole.intValue();
    }

    /// Returns the value as an integral number. `2.0` is one too: clients in languages without
    /// integers send it.
    static JsonNode whole(String name, String expected, JsonNode value) {
        if (value.isIntegralNumber()) {
            return value;
        }
        double number = value.doubleValue();
        if (!value.isNumber() || number != Math.rint(number) || Double.isInfinite(number)) {
            throw wrong(name, expected, value);
        }
        return BigIntegerNode.valueOf(new BigDecimal(number).toBigInteger());
    }

    static float number(String name, JsonNode value, double min, double max) {
        if (!value.isNumber()) {
            throw wrong(name, "a number", value);
        }
        double number = value.doubleValue();
        // NaN is outside every range.
        if (!(number >= min && number <= max)) {
            throw outside(name, value, "[" + plain(min) + ", " + plain(max) + "]");
        }
        return (float) number;
    }

    static ApiError wrong(String name, String expected, JsonNode value) {
        return ApiError.invalid(
                name,
                "invalid_type",
                name + " must be " + expected + ", got " + Json.describe(value));
    }

    static ApiError outside(String name, JsonNode value, String range) {
        return ApiError.invalid(
                name, name + " is " + Json.quoted(value.asText()) + ", it must lie in " + range);
    }

    private static String plain(double number) {
        return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
    }
}
