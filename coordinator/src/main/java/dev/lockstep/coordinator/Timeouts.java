// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.time.Duration;

/// The time-outs of a coordinator; tests use shorter ones.
///
/// @param quiet silence in a stream after which a comment is sent
/// @param slowClient limit for a client to read sent data
/// @param body limit for a request's body to arrive
record Timeouts(Duration quiet, Duration slowClient, Duration body) {
    static final Timeouts DEFAULT =
            new Timeouts(Duration.ofSeconds(10), Duration.ofSeconds(30), Duration.ofSeconds(60));
}
