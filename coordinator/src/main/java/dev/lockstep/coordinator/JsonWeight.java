package dev.lockstep.coordinator;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/// About how many bytes of memory a body takes once it is read: a tree of small values takes dozens
/// of times its text, so `[{},{},…` of some megabytes would fill the heap.
///
/// Counted by passing over the text, without making the tree.
final class JsonWeight {
    private static final JsonFactory FACTORY = new JsonFactory();

    // A 64-bit JVM with compressed references: the node, its collection, and the place in its
    // parent's.
    private static final int OBJECT_BYTES = 160;
    private static final int ARRAY_BYTES = 100;
    private static final int FIELD_BYTES = 100;
    private static final int VALUE_BYTES = 24;
    private static final int TEXT_BYTES = 64;

    /// Of a text: what is kept of it, and what tokenizing it takes meanwhile.
    private static final int BYTES_PER_CHARACTER = 4;

    private JsonWeight() {}

    /// The weight, or more than `most` as soon as it is more. What is no JSON weighs what stands
    /// before the mistake, which is found again when it is read.
    static long of(byte[] body, long most) {
        long bytes = 0;
        try (JsonParser parser = FACTORY.createParser(body)) {
            for (JsonToken token = parser.nextToken();
                    token != null && bytes <= most;
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
