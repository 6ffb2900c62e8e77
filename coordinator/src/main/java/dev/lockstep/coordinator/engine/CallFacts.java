// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

/// How far the call of a request to a scheduler is, for whoever looks for a fault.
///
/// @param request its id, which the client has too
/// @param scheduler the id of the called scheduler, as in the list of groups
/// @param tokens those that have arrived
public record CallFacts(String request, String scheduler, Phase phase, int tokens) {

    /// Where the call is; an abandoned one was replaced by another.
    public enum Phase {
        SENT,
        ACCEPTED,
        ENDED,
        ABANDONED
    }
}
