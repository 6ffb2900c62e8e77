// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import com.google.protobuf.InvalidProtocolBufferException;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.PositionOutputs;
import dev.lockstep.proto.v1.Usage;
import java.util.List;
import java.util.Optional;

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
    /// @param end the end of the choice, if these are its last tokens
    record Tokens(
            int call,
            int choice,
            int position,
            List<GeneratedToken> tokens,
            int cachedTokens,
            int migrations,
            Optional<Finished> end)
            implements EngineEvent {
        public Tokens {
            tokens = List.copyOf(tokens);
        }

        /// Reads the event of a scheduler.
        public static Tokens fromProto(int call, GenerateEvent.Tokens proto)
                throws InvalidProtocolBufferException {
            return new Tokens(
                    call,
                    proto.getChoice(),
                    proto.getPosition(),
                    GeneratedToken.fromProto(proto),
                    proto.getCachedTokens(),
                    proto.getMigrations(),
                    proto.hasFinished()
                            ? Optional.of(Finished.fromProto(call, proto.getFinished()))
                            : Optional.empty());
        }

        /// Converts the event as a scheduler sends it.
        ///
        /// @param logprobs whether log-probabilities were requested
        public GenerateEvent.Tokens toProto(boolean logprobs) {
            GenerateEvent.Tokens.Builder proto =
                    GenerateEvent.Tokens.newBuilder()
                            .setChoice(choice)
                            .setPosition(position)
                            .setCachedTokens(cachedTokens)
                            .setMigrations(migrations);
            for (GeneratedToken token : tokens) {
                proto.addIds(token.id());
                if (logprobs) {
                    proto.addLogprobs(token.toProto().toByteString());
                }
            }
            end.ifPresent(last -> proto.setFinished(last.toProto()));
            return proto.build();
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
            implements EngineEvent {
        static Finished fromProto(int call, GenerateEvent.Finished proto) {
            return new Finished(
                    call,
                    proto.getChoice(),
                    proto.getReason() == FinishReason.FINISH_REASON_STOP,
                    proto.getStopTokenId(),
                    proto.getUsage().getCachedTokens());
        }

        public GenerateEvent.Finished toProto() {
            return GenerateEvent.Finished.newBuilder()
                    .setChoice(choice)
                    .setReason(
                            stopped
                                    ? FinishReason.FINISH_REASON_STOP
                                    : FinishReason.FINISH_REASON_LENGTH)
                    .setStopTokenId(stopTokenId)
                    .setUsage(Usage.newBuilder().setCachedTokens(cachedTokens))
                    .build();
        }
    }

    /// The scheduler completed the call.
    record Ended(int call) implements EngineEvent {}

    /// The call failed.
    record Failed(int call, Failure failure) implements EngineEvent {}

    /// The coordinator ends the completion: the client disconnected, or this process stops.
    record Stopped(RuntimeException error) implements EngineEvent {}
}
