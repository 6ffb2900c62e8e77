package dev.lockstep.scheduler;

import dev.lockstep.proto.v1.Pooling;

/// What a sequence wants beside generated tokens. The scheduler reads only from where on: what lies
/// before may come from the cache. Equal for all of a sequence's admissions, so that a recording
/// need not keep what was delivered.
///
/// @param from the first position whose output is wanted
public record PromptOutputs(
        int from, boolean logprobs, int topLogprobs, boolean hiddenStates, Pooling pooling) {
    public static final PromptOutputs NONE =
            new PromptOutputs(0, false, 0, false, Pooling.POOLING_UNSPECIFIED);

    public boolean any() {
        return logprobs || hiddenStates || pooling != Pooling.POOLING_UNSPECIFIED;
    }

    /// Of a further choice: its prompt's are the first one's.
    public PromptOutputs behind(int promptLength) {
        return hiddenStates
                ? new PromptOutputs(promptLength, false, 0, true, Pooling.POOLING_UNSPECIFIED)
                : NONE;
    }

    public static PromptOutputs fromProto(dev.lockstep.proto.v1.PromptOutputs proto) {
        return new PromptOutputs(
                proto.getFrom(),
                proto.getLogprobs(),
                proto.getTopLogprobs(),
                proto.getHiddenStates(),
                proto.getPooling());
    }

    public dev.lockstep.proto.v1.PromptOutputs toProto() {
        return dev.lockstep.proto.v1.PromptOutputs.newBuilder()
                .setFrom(from)
                .setLogprobs(logprobs)
                .setTopLogprobs(topLogprobs)
                .setHiddenStates(hiddenStates)
                .setPooling(pooling)
                .build();
    }
}
