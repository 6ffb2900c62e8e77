// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.Optional;

/// A token that a worker sampled.
///
/// @param logprobs its log-probabilities, for the client; empty unless the request asks for them
public record SampledToken(int id, Optional<Payload> logprobs) {
    public static SampledToken of(int id) {
        return new SampledToken(id, Optional.empty());
    }
}
