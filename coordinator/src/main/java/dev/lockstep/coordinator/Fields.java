package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.BiFunction;

/// The fields of a JSON object that a client sent, read strictly: `"1"` is no number, and a value
/// out of range is refused naming field, value and limit.
///
/// A field that is null counts as absent. Text has no lone surrogates.
///
/// @param path where the object stands, as a prefix of its fields' names: empty, or `messages[2].`
record Fields(ObjectNode node, String path) {

    Fields(ObjectNode node) {
        this(node, "");
    }

    /// The name of a field as errors give it.
    String name(String field) {
        return path + field;
    }

    /// The value, missing when it is null.
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

    boolean flag(String field, boolean otherwise) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return otherwise;
        }
        if (!value.isBoolean()) {
            throw wrong(name(field), "true or false", value);
        }
        return value.booleanValue();
    }

    OptionalInt integer(String field, int least, int most) {
        if (!has(field)) {
            return OptionalInt.empty();
        }
        return OptionalInt.of(integer(name(field), value(field), least, most));
    }

    int integer(String field, int least, int most, int otherwise) {
        return integer(field, least, most).orElse(otherwise);
    }

    /// Any whole number of 64 bits.
    OptionalLong whole(String field) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return OptionalLong.empty();
        }
        if (!value.isIntegralNumber()) {
            throw wrong(name(field), "a whole number", value);
        }
        if (!value.canConvertToLong()) {
            throw outside(name(field), value, "[-2^63, 2^63)");
        }
        return OptionalLong.of(value.longValue());
    }

    float number(String field, double least, double most, float otherwise) {
        JsonNode value = value(field);
        return value.isMissingNode() ? otherwise : number(name(field), value, least, most);
    }

    /// A number in (0, most].
    float positive(String field, double most, float otherwise) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return otherwise;
        }
        float number = number(name(field), value, 0, most);
        if (number == 0) {
            throw outside(name(field), value, "(0, " + plain(most) + "]");
        }
        return number;
    }

    /// The elements of an array, each read by `reader` with its own name; empty when absent.
    <T> List<T> list(String field, int most, BiFunction<String, JsonNode, T> reader) {
        JsonNode value = value(field);
        if (value.isMissingNode()) {
            return List.of();
        }
        if (!value.isArray()) {
            throw wrong(name(field), "an array", value);
        }
        if (value.size() > most) {
            throw ApiError.invalid(
                    name(field),
                    name(field)
                            + " has "
                            + value.size()
                            + " entries, at most "
                            + most
                            + " are taken");
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

    static int integer(String name, JsonNode value, int least, int most) {
        if (!value.isIntegralNumber()) {
            throw wrong(name, "a whole number", value);
        }
        if (!value.canConvertToInt() || value.intValue() < least || value.intValue() > most) {
            throw outside(name, value, "[" + least + ", " + most + "]");
        }
        return value.intValue();
    }

    static float number(String name, JsonNode value, double least, double most) {
        if (!value.isNumber()) {
            throw wrong(name, "a number", value);
        }
        double number = value.doubleValue();
        // Not a number is in no range.
        if (!(number >= least && number <= most)) {
            throw outside(name, value, "[" + plain(least) + ", " + plain(most) + "]");
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
