// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import java.util.ArrayList;
import java.util.List;

/// The items of a request that are in stored responses and not in its body. Another coordinator
/// does not have these responses, so it gets the items.
///
/// @param earlier of the response that the request continues
/// @param input with the items that references stand for
record ReferredItems(ArrayNode earlier, List<ObjectNode> input) {
    private static final String EARLIER = "earlier";
    private static final String INPUT = "input";

    ReferredItems {
        input = List.copyOf(input);
    }

    static ReferredItems parse(byte[] bytes) {
        ObjectNode root = Json.object(EARLIER, bytes);
        if (!(root.path(EARLIER) instanceof ArrayNode earlier)) {
            throw new IllegalStateException("the items of a kept request cannot be read");
        }
        List<ObjectNode> input = new ArrayList<>();
        for (JsonNode item : root.path(INPUT)) {
            input.add((ObjectNode) item);
        }
        return new ReferredItems(earlier, input);
    }

    ByteString bytes() {
        ObjectNode root = Json.object();
        root.set(EARLIER, earlier);
        input.forEach(root.putArray(INPUT)::add);
        return ByteString.copyFrom(Json.bytes(root));
    }
}
