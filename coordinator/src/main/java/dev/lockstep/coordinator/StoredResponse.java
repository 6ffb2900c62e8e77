// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/// A response with the items that it was made from.
///
/// @param response as the client got it
/// @param input all items before its output, those of earlier responses included, so that it can be
///   continued when those are gone
record StoredResponse(ObjectNode response, ArrayNode input) {
    private static final String RESPONSE = "response";
    private static final String INPUT = "input";

    static StoredResponse parse(byte[] bytes) throws IOException {
        ObjectNode root = Json.readObject(bytes);
        if (root.path(RESPONSE) instanceof ObjectNode response
                && root.path(INPUT) instanceof ArrayNode input) {
            return new StoredResponse(response, input);
        }
        throw new IOException("a stored response is damaged");
    }

    /// Returns the form of [#parse].
    ///
    /// @param input the encoded items
    static byte[] bytes(ObjectNode response, byte[] input) {
        var bytes = new ByteArrayOutputStream();
        bytes.writeBytes(text("{\"" + RESPONSE + "\":"));
        bytes.writeBytes(Json.bytes(response));
        bytes.writeBytes(text(",\"" + INPUT + "\":"));
        bytes.writeBytes(input);
        bytes.writeBytes(text("}"));
        return bytes.toByteArray();
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /// Returns all items, those of the output included.
    ArrayNode items() {
        ArrayNode items = Json.object().putArray(INPUT);
        items.addAll(input);
        response.path("output").forEach(items::add);
        return items;
    }
}
