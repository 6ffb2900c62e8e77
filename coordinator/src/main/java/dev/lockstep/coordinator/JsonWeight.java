// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/// Estimates the bytes of memory of a parsed body: a tree of small values needs dozens of times the
/// bytes of its text, so `[{},{},…` of some megabytes would fill the heap.
///
/// The estimate scans the text without creating the tree.
final class JsonWeight {
    private static final JsonFactory FACTORY = new JsonFactory();

    // On a 64-bit JVM with compressed references: the node, its collection, and its entry in the
    // collection of its parent.
    private static final int OBJECT_BYTES = 160;
    private static final int ARRAY_BYTES = 100;
    private static final int FIELD_BYTES = 100;
    private static final int VALUE_BYTES = 24;
    private static final int TEXT_BYTES = 64;

    /// For a text: its own memory, and the temporary memory of its tokenization.
    private static final int BYTES_PER_CHARACTER = 4;

    private JsonWeight() {}

    /// Returns the estimate, or any number above `max` as soon as it is exceeded. Of invalid JSON
    /// only the text preceding the error counts; the parser reports the error later.
    static long of(byte[] body, long max) {
        long bytes = 0;
        try (JsonParser parser = FACTORY.createParser(body)) {
            for (JsonToken token = parser.nextToken();
                    token != null && bytes <= max;
                    token = parser.nextToken()) {
                bytes += weight(token, parser);
            }
        } catch (IOException e) {
            return bytes;
        }
        return bytes;
    }

    private static long weight(JsonToken token, JsonParser parser) throws IOException {
        return switch (token) {
            case START_OBJECT -> OBJECT_BYTES;
            case START_ARRAY -> ARRAY_BYTES;
            case FIELD_NAME -> FIELD_BYTES + text(parser);
            case VALUE_STRING -> TEXT_BYTES + text(parser);
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT ->
                    VALUE_BYTES + (long) parser.getTextLength();
            case VALUE_TRUE, VALUE_FALSE, VALUE_NULL -> VALUE_BYTES;
            case END_OBJECT, END_ARRAY, NOT_AVAILABLE, VALUE_EMBEDDED_OBJECT -> 0;
        };
    }

    private static long text(JsonParser parser) throws IOException {
        return (long) BYTES_PER_CHARACTER * parser.getTextLength();
    }
}
