package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// What can happen to a running completion; `call` says which of its prompts is meant.
public sealed interface EngineEvent {

    /// Tokens of one choice, in the order they were generated.
    ///
    /// @param cachedTokens with the first: prompt tokens served from the prefix cache
    record Tokens(int call, int choice, List<GeneratedToken> tokens, int cachedTokens)
            implements EngineEvent {
        public Tokens {
            tokens = List.copyOf(tokens);
        }
    }

    /// Outputs of positions, in order.
    record Outputs(int call, int choice, PositionOutputs outputs) implements EngineEvent {}

    /// The last event of a choice.
    ///
    /// @param stopTokenId the id that stopped it, or negative
    /// @param cachedTokens prompt tokens served from the prefix cache; of the request's last choice
    record Finished(int call, int choice, boolean stopped, int stopTokenId, int cachedTokens)
            implements EngineEvent {}

    /// The scheduler has said everything.
    record Ended(int call) implements EngineEvent {}

    /// The scheduler will not go on.
    record Failed(int call, Failure failure) implements EngineEvent {}

    /// Somebody on this side wants it to end: the client left, or this process stops.
    record Stopped(RuntimeException why) implements EngineEvent {}
}
