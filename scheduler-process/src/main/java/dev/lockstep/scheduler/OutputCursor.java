package dev.lockstep.scheduler;

import dev.lockstep.proto.v1.PositionOutputs;

/// How far the outputs of a sequence have been delivered: one that was preempted computes positions
/// again, and each is delivered once.
public final class OutputCursor {
    private int tokensFrom;
    private int statesFrom;

    /// What of `outputs` was not delivered before, which counts as delivered now; it may be
    /// nothing.
    PositionOutputs advance(PositionOutputs outputs) {
        int tokens = outputs.getNextTokensCount();
        int size = outputs.getHiddenSize();
        int states = size == 0 ? 0 : outputs.getHiddenStatesCount() / size;
        int position = outputs.getPosition();
        int oldTokens = Math.clamp(tokensFrom - position, 0, tokens);
        int oldStates = Math.clamp(statesFrom - position, 0, states);
        if (tokens > 0) {
            tokensFrom = Math.max(tokensFrom, position + tokens);
        }
        if (states > 0) {
            statesFrom = Math.max(statesFrom, position + states);
        }
        if (oldTokens == 0 && oldStates == 0) {
            return outputs;
        }
        var fresh =
                PositionOutputs.newBuilder()
                        .setPosition(position + Math.max(oldTokens, oldStates))
                        .setHiddenSize(size)
                        .addAllNextTokens(outputs.getNextTokensList().subList(oldTokens, tokens))
                        .addAllPooled(outputs.getPooledList());
        for (int i = oldStates * size; i < states * size; i++) {
            fresh.addHiddenStates(outputs.getHiddenStates(i));
        }
        return fresh.build();
    }

    public static boolean isEmpty(PositionOutputs outputs) {
        return outputs.getNextTokensCount() == 0
                && outputs.getHiddenStatesCount() == 0
                && outputs.getPooledCount() == 0;
    }
}
