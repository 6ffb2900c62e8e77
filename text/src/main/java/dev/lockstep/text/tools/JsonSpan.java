// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text.tools;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Optional;
import java.util.function.Predicate;

/// A JSON object within a text.
record JsonSpan(int start, int end, ObjectNode object) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /// Returns the first object that begins within a range and is as wanted.
    static Optional<JsonSpan> find(String text, int from, int to, Predicate<ObjectNode> wanted) {
        for (int at = text.indexOf('{', from); at >= 0 && at < to; at = text.indexOf('{', at + 1)) {
            try (JsonParser parser = JSON.createParser(text.substring(at))) {
                JsonNode value = JSON.readTree(parser);
                if (value instanceof ObjectNode object && wanted.test(object)) {
                    int length = (int) parser.currentLocation().getCharOffset();
                    return Optional.of(new JsonSpan(at, at + length, object));
                }
            } catch (IOException e) {
                // no JSON begins here
            }
        }
        return Optional.empty();
    }
}
