// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// An event of a running completion; `call` is the index of its prompt.
public sealed interface EngineEvent {

    /// The scheduler has queued the request, which is not refused any more.
    record Accepted(int call) implements EngineEvent {}

    /// Tokens of one choice, in the order of generation.
    ///
    /// @param position of the first among the generated tokens of the choice
    /// @param cachedTokens prompt tokens served from the prefix cache; only in the first event of a
    ///   choice
    /// @param migrations how often the choice has gone on in another epoch of its group
    record Tokens(
            int call,
            int choice,
            int position,
            List<GeneratedToken> tokens,
            int cachedTokens,
            int migrations)
            implements EngineEvent {
        public Tokens {
            tokens = List.copyOf(tokens);
        }
    }

    /// Outputs of positions, in order.
    record Outputs(int call, int choice, PositionOutputs outputs) implements EngineEvent {}

    /// The last event of a choice.
    ///
    /// @param stopTokenId the id that stopped the choice, or negative
    /// @param cachedTokens prompt tokens served from the prefix cache; only for the last choice of
    ///   the request
    record Finished(int call, int choice, boolean stopped, int stopTokenId, int cachedTokens)
            implements EngineEvent {}

    /// The scheduler completed the call.
    record Ended(int call) implements EngineEvent {}

    /// The call failed.
    record Failed(int call, Failure failure) implements EngineEvent {}

    /// The coordinator ends the completion: the client disconnected, or this process stops.
    record Stopped(RuntimeException error) implements EngineEvent {}
}
