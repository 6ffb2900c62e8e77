package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.proto.v1.ServiceClass;

/// One prompt as it goes to a scheduler.
///
/// @param id the answer's, so that whoever has an answer can ask for its timeline
/// @param seed the one resolved for the request
/// @param room tokens that the context has left behind the prompt
public record EngineRequest(
        String id,
        String model,
        TokenPrompt prompt,
        Sampling sampling,
        RequestOptions options,
        long seed,
        int room) {

    /// Converts the request for the scheduler.
    ///
    /// @param nowNanos of the clock that the deadline is on
    GenerateRequest toProto(long nowNanos) {
        int maxTokens = Math.min(sampling.maxTokens().orElse(room), room);
        GenerateRequest.Builder proto =
                GenerateRequest.newBuilder()
                        .setRequestId(id)
                        .setModel(model)
                        .setChoices(sampling.choices())
                        .setMaxTokens(maxTokens)
                        .setMinTokens(Math.min(sampling.minTokens(), maxTokens))
                        .addAllStopTokenIds(sampling.stopTokenIds())
                        .setIgnoreEos(sampling.ignoreEos())
                        .setSampling(
                                sampling.params().toBuilder().setSeed(seed).build().toByteString())
                        .setTenant(options.tenant())
                        .setPriority(options.priority())
                        .setDeadlineMs(options.millisLeft(nowNanos))
                        .setServiceClass(
                                options.guaranteed()
                                        ? ServiceClass.SERVICE_CLASS_GUARANTEED
                                        : ServiceClass.SERVICE_CLASS_BEST_EFFORT)
                        .setCacheSalt(options.cacheSalt())
                        .setCachePriority(options.cachePriority())
                        .setCacheTtlMs(options.cacheTtlMillis());
        if (prompt.wanted().any()) {
            proto.setOutputs(prompt.wanted().toProto());
        }
        for (int token : prompt.ids()) {
            proto.addPromptIds(token);
        }
        return proto.build();
    }
}
