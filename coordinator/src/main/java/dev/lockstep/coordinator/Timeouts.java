// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.time.Duration;

/// The time-outs of a coordinator; tests use shorter ones.
///
/// @param quiet silence in a stream after which a comment is sent
/// @param slowClient limit for a client to read sent data
/// @param body limit for a request's body to arrive
/// @param unanswered limit for a scheduler to accept or refuse a request
record Timeouts(Duration quiet, Duration slowClient, Duration body, Duration unanswered) {
    static final Timeouts DEFAULT =
            new Timeouts(
                    Duration.ofSeconds(5),
                    Duration.ofSeconds(30),
                    Duration.ofSeconds(60),
                    Duration.ofSeconds(4));
}
