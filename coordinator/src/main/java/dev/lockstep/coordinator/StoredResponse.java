// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A response with the items that it was made from.
///
/// @param response as the client got it
/// @param input all items before its output, those of earlier responses included, so that it can be
///   continued when those are gone
/// @param cuts of the items of the output, see [ResponseCuts]; missing if it failed before it began
record StoredResponse(ObjectNode response, ArrayNode input, JsonNode cuts) {
    private static final String RESPONSE = "response";
    private static final String INPUT = "input";
    private static final String CUTS = "cuts";
    private static final String OUTPUT = "output";

    static StoredResponse parse(byte[] bytes) throws IOException {
        ObjectNode root = Json.readObject(bytes);
        if (root.path(RESPONSE) instanceof ObjectNode response
                && root.path(INPUT) instanceof ArrayNode input) {
            return new StoredResponse(response, input, root.path(CUTS));
        }
        throw new IOException("a stored response is damaged");
    }

    /// Returns the form of [#parse].
    ///
    /// @param input the encoded items
    static byte[] bytes(ObjectNode response, byte[] input, Optional<ArrayNode> cuts) {
        var bytes = new ByteArrayOutputStream();
        bytes.writeBytes(text("{\"" + RESPONSE + "\":"));
        bytes.writeBytes(Json.bytes(response));
        bytes.writeBytes(text(",\"" + INPUT + "\":"));
        bytes.writeBytes(input);
        cuts.ifPresent(
                each -> {
                    bytes.writeBytes(text(",\"" + CUTS + "\":"));
                    bytes.writeBytes(Json.bytes(each));
                });
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
        response.path(OUTPUT).forEach(items::add);
        return items;
    }

    String id() {
        return response.path("id").asText();
    }

    boolean hasEncodedReasoning() {
        boolean has = false;
        for (JsonNode item : response.path(OUTPUT)) {
            has |= item.has(ResponseOutput.ENCODED);
        }
        return has;
    }

    /// Returns the steps by which the response came to be.
    List<ResponseStep> steps() {
        List<ResponseStep> steps = new ArrayList<>();
        boolean background = response.path("background").asBoolean();
        ObjectNode begun = begun("in_progress");
        ObjectNode first = background ? begun("queued") : begun;
        steps.add(new ResponseStep.Status("response.created", first));
        if (background) {
            steps.add(new ResponseStep.Status("response.queued", first));
        }
        if (!cuts.isMissingNode()) {
            steps.add(new ResponseStep.Status("response.in_progress", begun));
        }
        steps.addAll(ResponseCuts.steps(response.path(OUTPUT), cuts));
        String status = response.path("status").asText();
        boolean complete = status.equals("completed");
        if (complete || status.equals("incomplete")) {
            steps.add(new ResponseStep.Closed(complete));
        }
        steps.add(new ResponseStep.Status(RunningResponse.lastEvent(status), response));
        return steps;
    }

    /// Returns the response as it was before its output.
    private ObjectNode begun(String status) {
        ObjectNode begun = Json.object();
        begun.setAll(response);
        begun.remove(List.of("completed_at", "usage"));
        begun.put("status", status).putNull("error").putNull("incomplete_details");
        begun.putArray(OUTPUT);
        return begun;
    }
}
