// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Optional;

/// A stream of the events of a response for a client that comes later: those that were, and those
/// that are still to come. Confined to one thread.
final class ResponseReplay {
    private final HttpExchange exchange;
    private final int after;

    /// @param after the number of the last event that the client has, or -1
    ResponseReplay(HttpExchange exchange, int after) {
        this.exchange = exchange;
        this.after = after;
    }

    /// Sends the events of a response that has ended.
    void send(StoredResponse stored) {
        var events = new ResponseEvents(stored.id(), stored.hasEncodedReasoning(), this::send);
        stored.steps().forEach(events::accept);
        exchange.endEvents();
    }

    /// Sends the events of a response until it ends or the client leaves.
    ///
    /// @param quiet the silence after which something is sent that means nothing
    void follow(RunningResponse running, Duration quiet) throws InterruptedException {
        var events = new ResponseEvents(running.id(), running.encodesReasoning(), this::send);
        ResponseLog log = running.log();
        for (int next = 0; !log.isWhole(next) && exchange.isOpen(); ) {
            Optional<ResponseStep> step = log.await(next, quiet);
            if (step.isPresent()) {
                events.accept(step.get());
                next++;
            } else {
                exchange.comment();
            }
        }
        exchange.endEvents();
    }

    private void send(ObjectNode event) {
        boolean left = event.path("type").asText().equals(ResponseEvents.ERROR);
        if (left || event.path("sequence_number").asInt() > after) {
            exchange.event(event.path("type").asText(), Json.bytes(event));
        }
    }
}
