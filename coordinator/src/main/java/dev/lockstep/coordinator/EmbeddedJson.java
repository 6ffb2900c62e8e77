// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;

/// Reads the JSON objects that a request contains as text, such as the arguments of tool calls.
///
/// The memory of a request counts them as text only, so that of their trees is bounded here, for
/// all of one request together. Confined to the request's thread.
final class EmbeddedJson {
    private static final long MAX_WEIGHT = 16 << 20;

    private long weight;

    /// @param name the field with the text, for error messages
    ObjectNode object(String name, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        weight += JsonWeight.of(bytes, MAX_WEIGHT);
        if (weight > MAX_WEIGHT) {
            throw ApiError.invalid(
                    name,
                    name
                            + " has so many values that the JSON texts of the request would need more than "
                            + MAX_WEIGHT
                            + " bytes of memory; send fewer values");
        }
        return Json.object(name, bytes);
    }
}
