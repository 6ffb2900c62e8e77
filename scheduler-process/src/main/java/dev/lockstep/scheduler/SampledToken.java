// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// A token that a worker sampled.
///
/// @param logprobs its log-probabilities, for the client; empty unless the request asked for them
public record SampledToken(int id, Payload logprobs) {
    public static SampledToken of(int id) {
        return new SampledToken(id, Payload.NONE);
    }
}
