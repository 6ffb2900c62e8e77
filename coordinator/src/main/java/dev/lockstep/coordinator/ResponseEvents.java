// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.function.Consumer;

/// The events of a response from its beginning, numbered from 0. Confined to one thread.
final class ResponseEvents {
    /// The type of the event of a response that goes on elsewhere.
    static final String ERROR = "error";

    private final ResponseOutput output;
    private final Consumer<ObjectNode> receiver;
    private boolean abandoned;
    private int number;

    /// @param encoded whether reasoning items have their text as `encrypted_content`, too
    ResponseEvents(String response, boolean encoded, Consumer<ObjectNode> receiver) {
        this.output = new ResponseOutput(response, encoded, this::send);
        this.receiver = receiver;
    }

    /// Sends the events of the next step.
    void accept(ResponseStep step) {
        switch (step) {
            case ResponseStep.Status(String type, ObjectNode response) ->
                    receiver.accept(status(type, response));
            case ResponseStep.Part part -> {
                part.logprobs().forEach(entry -> output.addLogprobs((ObjectNode) entry));
                part.events().forEach(output::accept);
            }
            case ResponseStep.Closed(boolean complete) -> output.end(complete);
            case ResponseStep.Left(ApiError why) -> receiver.accept(left(why));
        }
    }

    /// Returns the event of a status, with the next number.
    ObjectNode status(String type, ObjectNode response) {
        ObjectNode event = Json.object().put("type", type);
        event.set("response", response);
        return event.put("sequence_number", number++);
    }

    /// Returns the event after which there are more elsewhere. It has the number of the event
    /// before it, after which a client that counts goes on.
    ObjectNode left(ApiError why) {
        ObjectNode event =
                Json.object()
                        .put("type", ERROR)
                        .put("code", why.code())
                        .put("message", why.message());
        return event.putNull("param").put("sequence_number", Math.max(0, number - 1));
    }

    private void send(ObjectNode event) {
        if (!abandoned) {
            receiver.accept(event.put("sequence_number", number++));
        }
    }

    /// Ends the output where a failure interrupts it, without events.
    void abandon() {
        abandoned = true;
        output.end(false);
    }

    /// Returns the items that have ended.
    ArrayNode items() {
        return output.items();
    }

    /// Returns the cuts of these items, see [ResponseCuts].
    ArrayNode cuts() {
        return output.cuts();
    }
}
