// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import com.google.protobuf.ByteString;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.ServiceClass;
import java.util.Optional;

/// One prompt as it is sent to a scheduler.
///
/// @param id the id of the response, so that a client can request the timeline of a response
/// @param samplingParams the encoded `SamplingParams`, with the seed resolved for the request
/// @param constraint the encoded `TextConstraint`; empty for any text
/// @param room tokens that fit in the context after the prompt
/// @param client what another coordinator needs; empty if none can go on
public record EngineRequest(
        String id,
        String model,
        TokenPrompt prompt,
        Sampling sampling,
        RequestOptions options,
        ByteString samplingParams,
        ByteString constraint,
        int room,
        Optional<ClientRecord> client) {

    /// Converts the request for the scheduler.
    ///
    /// @param progress where another scheduler had accepted it, the choices that go on
    /// @param nowNanos the time on the clock of the deadline
    GenerateRequest toProto(RequestProgress progress, long nowNanos) {
        int maxTokens = Math.min(sampling.maxTokens().orElse(room), room);
        GenerateRequest.Builder proto =
                GenerateRequest.newBuilder()
                        .setRequestId(id)
                        .setModel(model)
                        .setChoices(sampling.choices())
                        .setMaxTokens(maxTokens)
                        .setMinTokens(Math.min(sampling.minTokens(), maxTokens))
                        .addAllStopTokenIds(sampling.endIds())
                        .setSampling(samplingParams)
                        .setConstraint(constraint)
                        .setTenant(options.tenant())
                        .setPriority(options.priority())
                        .setDeadlineMs(options.millisLeft(nowNanos))
                        .setServiceClass(
                                options.guaranteed()
                                        ? ServiceClass.SERVICE_CLASS_GUARANTEED
                                        : ServiceClass.SERVICE_CLASS_BEST_EFFORT)
                        .setCacheSalt(options.cacheSalt())
                        .setCachePriority(options.cachePriority())
                        .setCacheTtlMs(options.cacheTtlMillis())
                        .addAllCommitted(progress.goOnWith())
                        .setMigrations(progress.migrations());
        client.ifPresent(proto::setClient);
        if (prompt.outputs().any()) {
            proto.setOutputs(prompt.outputs().toProto());
        }
        for (int token : prompt.ids()) {
            proto.addPromptIds(token);
        }
        return proto.build();
    }
}
