package dev.lockstep.coordinator;

import dev.lockstep.proto.v1.GenerateRequest;

/// One prompt as it goes to a scheduler; `promptIds` is written by nobody.
///
/// @param seed the one resolved for the request
/// @param room tokens that the context has left behind the prompt
record EngineRequest(
        String id, String model, int[] promptIds, Sampling sampling, long seed, int room) {

    GenerateRequest toProto() {
        GenerateRequest.Builder proto =
                GenerateRequest.newBuilder().setRequestId(id).setModel(model);
        for (int token : promptIds) {
            proto.addPromptIds(token);
        }
        for (int choice = 0; choice < sampling.choices(); choice++) {
            proto.addChoices(sampling.toProto(choice, seed, room));
        }
        return proto.build();
    }
}
