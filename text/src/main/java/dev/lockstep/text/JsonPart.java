// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A part of `tokenizer.json`; errors name its path.
///
/// A key with a null value counts as absent.
///
/// @param path the keys from the root, such as `model.merges[3]`, or a prefix that ends in a space
///   and precedes the first key
record JsonPart(String path, JsonNode node) {
    /// Returns the part under `key`, if present.
    Optional<JsonPart> part(String key) {
        JsonNode value = node.get(key);
        return value == null || value.isNull()
                ? Optional.empty()
                : Optional.of(new JsonPart(pathOf(key), value));
    }

    JsonPart require(String key) {
        return part(key)
                .orElseThrow(() -> new IllegalArgumentException(pathOf(key) + " is missing"));
    }

    /// Returns the keys of an object, in the order of the file.
    List<String> keys() {
        if (!node.isObject()) {
            throw wrong("an object");
        }
        List<String> keys = new ArrayList<>(node.size());
        node.fieldNames().forEachRemaining(keys::add);
        return keys;
    }

    /// Returns the name of this part's variant.
    String type() {
        return require("type").text();
    }

    String text() {
        if (!node.isTextual()) {
            throw wrong("a string");
        }
        return node.textValue();
    }

    int integer() {
        if (!node.isIntegralNumber() || !node.canConvertToInt()) {
            throw wrong("a whole number below 2^31");
        }
        return node.intValue();
    }

    double number() {
        if (!node.isNumber()) {
            throw wrong("a number");
        }
        return node.doubleValue();
    }

    boolean flag(String key, boolean fallback) {
        return part(key)
                .map(
                        part -> {
                            if (!part.node.isBoolean()) {
                                throw part.wrong("true or false");
                            }
                            return part.node.booleanValue();
                        })
                .orElse(fallback);
    }

    String text(String key, String fallback) {
        return part(key).map(JsonPart::text).orElse(fallback);
    }

    /// Returns a text of one character, or `fallback` if the key is absent.
    String character(String key, String fallback) {
        return part(key).map(JsonPart::character).orElse(fallback);
    }

    /// Returns this part as a text of one character.
    String character() {
        String text = text();
        if (text.codePointCount(0, text.length()) != 1) {
            throw wrong("one character");
        }
        return text;
    }

    OptionalInt integer(String key) {
        Optional<JsonPart> part = part(key);
        return part.isPresent() ? OptionalInt.of(part.get().integer()) : OptionalInt.empty();
    }

    /// Returns the items of a list, none if the key is absent.
    List<JsonPart> list(String key) {
        return part(key).map(JsonPart::items).orElse(List.of());
    }

    List<JsonPart> items() {
        if (!node.isArray()) {
            throw wrong("a list");
        }
        List<JsonPart> items = new ArrayList<>(node.size());
        for (JsonNode item : node) {
            items.add(new JsonPart(path + "[" + items.size() + "]", item));
        }
        return items;
    }

    /// Returns an exception for an invalid value of this part.
    IllegalArgumentException wrong(String expected) {
        String value = node.toString();
        String shown = value.length() <= 60 ? value : value.substring(0, 60) + "…";
        return new IllegalArgumentException(path + " is " + shown + ", expected " + expected);
    }

    private String pathOf(String key) {
        return path.isEmpty() || path.endsWith(" ") ? path + key : path + "." + key;
    }
}
