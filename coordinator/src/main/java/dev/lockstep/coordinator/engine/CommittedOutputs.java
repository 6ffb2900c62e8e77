// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.PositionOutputs;

/// Which outputs of positions a coordinator has of one choice. A scheduler that goes on computes
/// them again from the first one on, in pieces of other lengths.
///
/// Its owner guards it.
public final class CommittedOutputs {
    private int tokensFrom;
    private int statesFrom;

    /// Commits outputs, and returns the part of them that is new, possibly nothing.
    public PositionOutputs commit(PositionOutputs outputs) {
        int tokens = outputs.getNextTokensCount();
        int values = outputs.getHiddenStatesCount();
        int states = values == 0 ? 0 : values / outputs.getHiddenSize();
        int position = outputs.getPosition();
        int oldTokens = Math.clamp(tokensFrom - position, 0, tokens);
        int oldStates = Math.clamp(statesFrom - position, 0, states);
        tokensFrom = tokens == 0 ? tokensFrom : Math.max(tokensFrom, position + tokens);
        statesFrom = states == 0 ? statesFrom : Math.max(statesFrom, position + states);
        if (oldTokens == 0 && oldStates == 0) {
            return outputs;
        }
        PositionOutputs.Builder fresh = outputs.toBuilder();
        fresh.setPosition(position + Math.max(oldTokens, oldStates));
        fresh.clearNextTokens()
                .addAllNextTokens(outputs.getNextTokensList().subList(oldTokens, tokens));
        fresh.clearHiddenStates()
                .addAllHiddenStates(
                        outputs.getHiddenStatesList()
                                .subList(oldStates * outputs.getHiddenSize(), values));
        return fresh.build();
    }
}
