// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;

/// One object of a JSON file, read with errors that name file, key and value.
///
/// A key that holds null counts as absent. Getters accept several names of one setting and use the
/// first that is present.
///
/// @param prefix keys that lead to this object, for messages: empty or ending in a dot
record JsonObject(Path file, String prefix, JsonNode node) {
    private static final JsonMapper MAPPER =
            JsonMapper.builder()
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
                    .build();

    static JsonObject read(Path file) {
        return parse(file, bytes(file));
    }

    /// Reads a file that holds a list.
    static JsonNode readList(Path file) {
        JsonNode node = tree(file, bytes(file));
        if (!node.isArray()) {
            throw new CheckpointException(file + " does not hold a JSON list");
        }
        return node;
    }

    static Optional<JsonObject> readIfPresent(Path file) {
        return Files.exists(file) ? Optional.of(read(file)) : Optional.empty();
    }

    static JsonObject parse(Path file, byte[] bytes) {
        JsonNode node = tree(file, bytes);
        if (!node.isObject()) {
            throw new CheckpointException(file + " does not hold a JSON object: download it again");
        }
        return new JsonObject(file, "", node);
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (NoSuchFileException e) {
            throw new CheckpointException(file + " does not exist: download the model again", e);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    private static JsonNode tree(Path file, byte[] bytes) {
        try {
            return MAPPER.readTree(bytes);
        } catch (JsonProcessingException e) {
            throw new CheckpointException(
                    "%s is not valid JSON (%s): download it again".formatted(file, firstLine(e)),
                    e);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    private static CheckpointException unreadable(Path file, IOException e) {
        return new CheckpointException("%s cannot be read (%s)".formatted(file, e.getMessage()), e);
    }

    boolean has(String key) {
        return node.hasNonNull(key);
    }

    Optional<JsonObject> object(String key) {
        return present(key)
                .map(
                        found -> {
                            if (!found.value().isObject()) {
                                throw wrong(found, "an object");
                            }
                            return new JsonObject(file, prefix + key + ".", found.value());
                        });
    }

    OptionalInt integer(String... keys) {
        Optional<Found> found = present(keys);
        return found.isPresent() ? OptionalInt.of(integer(found.get())) : OptionalInt.empty();
    }

    int requireInteger(String... keys) {
        return integer(present(keys).orElseThrow(() -> missing(keys)));
    }

    OptionalDouble number(String... keys) {
        Optional<Found> found = present(keys);
        return found.isPresent() ? OptionalDouble.of(number(found.get())) : OptionalDouble.empty();
    }

    double requireNumber(String... keys) {
        return number(present(keys).orElseThrow(() -> missing(keys)));
    }

    Optional<Boolean> flag(String key) {
        return present(key)
                .map(
                        found -> {
                            if (!found.value().isBoolean()) {
                                throw wrong(found, "true or false");
                            }
                            return found.value().booleanValue();
                        });
    }

    Optional<String> text(String... keys) {
        return present(keys).map(this::text);
    }

    /// Returns a string; of a list `[{"name": …, "template": …}]` the template named default, else
    /// the first.
    Optional<String> namedText(String key) {
        JsonNode value = node.path(key);
        if (!value.isArray()) {
            return text(key);
        }
        Optional<String> first = Optional.empty();
        for (JsonNode item : value) {
            var named = new JsonObject(file, prefix + key + ".", item);
            Optional<String> template = named.text("template");
            if (template.isPresent() && item.path("name").asText().equals("default")) {
                return template;
            }
            first = first.isPresent() ? first : template;
        }
        return first;
    }

    List<String> texts(String key) {
        return list(key).stream().map(this::text).toList();
    }

    List<Double> numbers(String key) {
        return list(key).stream().map(this::number).toList();
    }

    /// Returns a list, or a single value as a list of one; empty when absent.
    List<Integer> integers(String key) {
        return list(key).stream().map(this::integer).toList();
    }

    /// Returns every entry, in the order of the file.
    Iterable<Map.Entry<String, JsonNode>> entries() {
        return node.properties();
    }

    CheckpointException missing(String... keys) {
        return new CheckpointException(
                "%s: key %s is missing".formatted(file, prefix + String.join(" or ", keys)));
    }

    /// Refuses a flag that is true; it may be missing.
    void requireFalse(String key) {
        if (flag(key).orElse(false)) {
            throw wrong(key, true, "false");
        }
    }

    CheckpointException wrong(String key, Object value, String expected) {
        return new CheckpointException(
                "%s: %s is %s, expected %s"
                        .formatted(file, prefix + key, shorten(value), expected));
    }

    private record Found(String key, JsonNode value) {}

    private Optional<Found> present(String... keys) {
        for (String key : keys) {
            JsonNode value = node.get(key);
            if (value != null && !value.isNull()) {
                return Optional.of(new Found(key, value));
            }
        }
        return Optional.empty();
    }

    private List<Found> list(String key) {
        List<Found> items = new ArrayList<>();
        present(key)
                .ifPresent(
                        found -> {
                            if (found.value().isArray()) {
                                found.value().forEach(item -> items.add(new Found(key, item)));
                            } else {
                                items.add(found);
                            }
                        });
        return items;
    }

    private int integer(Found found) {
        JsonNode value = found.value();
        if (!value.isIntegralNumber() || !value.canConvertToInt()) {
            throw wrong(found, "a whole number below 2^31");
        }
        return value.intValue();
    }

    private double number(Found found) {
        if (!found.value().isNumber()) {
            throw wrong(found, "a number");
        }
        double number = found.value().doubleValue();
        if (!Double.isFinite(number)) {
            throw wrong(found.key(), number, "a finite number");
        }
        return number;
    }

    private String text(Found found) {
        if (!found.value().isTextual()) {
            throw wrong(found, "a string");
        }
        return found.value().textValue();
    }

    private CheckpointException wrong(Found found, String expected) {
        return wrong(found.key(), found.value(), expected);
    }

    private static String shorten(Object value) {
        String text = value.toString();
        return text.length() <= 60 ? text : text.substring(0, 60) + "…";
    }

    private static String firstLine(JsonProcessingException e) {
        String place =
                e.getLocation() == null
                        ? ""
                        : " at line %d, column %d"
                                .formatted(
                                        e.getLocation().getLineNr(), e.getLocation().getColumnNr());
        return shorten(e.getOriginalMessage().lines().findFirst().orElse("unreadable")) + place;
    }
}
