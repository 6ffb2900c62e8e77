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

    /// @param nowNanos of the clock that the deadline is on
    GenerateRequest toProto(long nowNanos) {
        GenerateRequest.Builder proto =
                GenerateRequest.newBuilder()
                        .setRequestId(id)
                        .setModel(model)
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
        for (int choice = 0; choice < sampling.choices(); choice++) {
            proto.addChoices(sampling.toProto(choice, seed, room));
        }
        return proto.build();
    }
}
