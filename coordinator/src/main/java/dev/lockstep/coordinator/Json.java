// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Reads and writes all JSON of the coordinator.
public final class Json {
    private static final ObjectMapper MAPPER =
            JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS).build();
    private static final int MAX_QUOTE_LENGTH = 60;
    private static final int MAX_EXPLANATION_LENGTH = 300;

    /// The parts of a parser's messages that address its user and not the author of the JSON.
    private static final Pattern PARSER_ADVICE =
            Pattern.compile(", from `[^`]*`|: enable `.*| \\(start marker at .*");

    private Json() {}

    public static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    static ArrayNode array() {
        return MAPPER.createArrayNode();
    }

    /// Reads the JSON object of a file of the model.
    static ObjectNode readObject(byte[] file) throws IOException {
        return MAPPER.readTree(file) instanceof ObjectNode object ? object : object();
    }

    /// Reads an array that this process wrote.
    static ArrayNode array(byte[] written) {
        try {
            return (ArrayNode) MAPPER.readTree(written);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Parses a JSON object from a client; anything else is refused with the location of the error.
    static Fields parse(byte[] body) {
        JsonNode root;
        try {
            root = MAPPER.readTree(body);
        } catch (JsonProcessingException e) {
            JsonLocation at = e.getLocation();
            String place =
                    at == null ? "" : " at line " + at.getLineNr() + ", column " + at.getColumnNr();
            throw ApiError.refused(
                    400,
                    "invalid_json",
                    "the body is not valid JSON"
                            + place
                            + ": "
                            + explained(e.getOriginalMessage()));
        } catch (IOException e) {
            throw ApiError.refused(400, "invalid_json", "the body cannot be read as JSON");
        }
        if (!(root instanceof ObjectNode object)) {
            throw ApiError.refused(
                    400,
                    "invalid_json",
                    "the body must be a JSON object, got "
                            + (root.isMissingNode() ? "nothing" : describe(root)));
        }
        return new Fields(object);
    }

    /// Parses a JSON object from the text of a field.
    static ObjectNode object(String name, byte[] text) {
        try {
            JsonNode root = MAPPER.readTree(text);
            if (root instanceof ObjectNode object) {
                return object;
            }
            throw Fields.wrong(name, "the text of a JSON object", root);
        } catch (JsonProcessingException e) {
            throw ApiError.invalid(
                    name,
                    "invalid_json",
                    name + " is not valid JSON: " + explained(e.getOriginalMessage()));
        } catch (IOException e) {
            throw ApiError.invalid(name, "invalid_json", name + " cannot be read as JSON");
        }
    }

    /// Returns the object that a text is; an empty one if the text is cut off.
    static ObjectNode objectOrEmpty(String text) {
        try {
            return MAPPER.readTree(text) instanceof ObjectNode object ? object : object();
        } catch (JsonProcessingException e) {
            return object();
        }
    }

    /// Returns the value as maps, lists, strings, numbers, booleans and null.
    static @Nullable Object plain(JsonNode value) {
        return MAPPER.convertValue(value, Object.class);
    }

    static Map<String, @Nullable Object> plainObject(ObjectNode object) {
        return MAPPER.convertValue(object, new TypeReference<>() {});
    }

    static byte[] bytes(JsonNode node) {
        try {
            return MAPPER.writeValueAsBytes(node);
        } catch (JsonProcessingException e) {
            throw new UncheckedIOException(e);
        }
    }

    static void putOrNull(ObjectNode node, String name, String text) {
        if (text.isEmpty()) {
            node.putNull(name);
        } else {
            node.put(name, text);
        }
    }

    static void putUnlessEmpty(ObjectNode node, String name, String text) {
        if (!text.isEmpty()) {
            node.put(name, text);
        }
    }

    /// Returns a value as an error message names it: `the text "warm"`.
    static String describe(JsonNode node) {
        return switch (node.getNodeType()) {
            case STRING -> "the text \"" + quoted(node.textValue()) + "\"";
            case NUMBER -> "the number " + quoted(node.asText());
            case BOOLEAN -> node.asText();
            case ARRAY -> "an array";
            case OBJECT -> "an object";
            case NULL, MISSING -> "null";
            case BINARY, POJO -> "something else";
        };
    }

    /// Returns the beginning of a client's text, without control characters, for a message.
    public static String quoted(String text) {
        return line(text, MAX_QUOTE_LENGTH);
    }

    /// Returns the explanation of a parser or a template, with the limits that it names, on one
    /// line for a message.
    static String explained(String reason) {
        return line(PARSER_ADVICE.matcher(reason).replaceAll(""), MAX_EXPLANATION_LENGTH);
    }

    private static String line(String text, int maxLength) {
        String start = text.length() <= maxLength ? text : text.substring(0, maxLength) + "…";
        return wellFormed(start.replaceAll("\\p{Cntrl}", " "));
    }

    /// Replaces lone surrogates, which cannot be written as UTF-8, by U+FFFD.
    static String wellFormed(String text) {
        var repaired = new StringBuilder(0);
        int copied = 0;
        for (int i = 0; i < text.length(); i++) {
            if (!Character.isSurrogate(text.charAt(i))) {
                continue;
            }
            if (Character.charCount(text.codePointAt(i)) == 2) {
                i++;
            } else {
                repaired.append(text, copied, i).append('\uFFFD');
                copied = i + 1;
            }
        }
        return copied == 0 ? text : repaired.append(text, copied, text.length()).toString();
    }
}
