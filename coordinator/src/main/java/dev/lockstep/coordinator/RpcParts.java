// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.proto.v1.InferenceDelta;
import dev.lockstep.proto.v1.ToolCallDelta;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.Optional;

/// The parts of an answer in gRPC messages.
final class RpcParts {
    private RpcParts() {}

    /// Returns the message of a part; empty if clients do not see it.
    static Optional<InferenceDelta.Builder> of(AnswerEvent event) {
        InferenceDelta.Builder delta = InferenceDelta.newBuilder();
        return switch (event) {
            case AnswerEvent.Content(String text) -> Optional.of(delta.setText(text));
            case AnswerEvent.Reasoning(String text) -> Optional.of(delta.setReasoning(text));
            case AnswerEvent.CallStart(int index, Optional<String> id, String name) ->
                    Optional.of(
                            delta.setToolCall(
                                    ToolCallDelta.newBuilder()
                                            .setIndex(index)
                                            .setId(id.orElse(""))
                                            .setName(name)));
            case AnswerEvent.Arguments(int index, String text) ->
                    Optional.of(
                            delta.setToolCall(
                                    ToolCallDelta.newBuilder().setIndex(index).setArguments(text)));
            case AnswerEvent.CallEnd _ -> Optional.empty();
        };
    }
}
