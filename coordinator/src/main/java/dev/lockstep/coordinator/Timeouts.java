package dev.lockstep.coordinator;

import java.time.Duration;

/// How long a coordinator waits for others; tests are less patient.
///
/// @param quiet silence in a stream after which a comment is sent
/// @param slowClient how long a client may leave unread what was sent to it
/// @param body how long a request's body may take to arrive
record Timeouts(Duration quiet, Duration slowClient, Duration body) {
    static final Timeouts DEFAULT =
            new Timeouts(Duration.ofSeconds(10), Duration.ofSeconds(30), Duration.ofSeconds(60));
}
