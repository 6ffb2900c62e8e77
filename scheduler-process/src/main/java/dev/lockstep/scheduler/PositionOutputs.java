// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// Outputs of consecutive positions, as a worker sent them: the scheduler reads which positions
/// they cover, and no values.
///
/// @param position the first
/// @param nextTokens of prompt tokens `[position + 1, position + 1 + nextTokens.size())`
/// @param hiddenSize values of one position's hidden state; 0 without hidden states
/// @param hiddenStates of positions `[position, position + hiddenStates.size())`
/// @param pooled one vector of the whole prompt; may be empty
public record PositionOutputs(
        int position,
        List<Payload> nextTokens,
        int hiddenSize,
        List<Payload> hiddenStates,
        Payload pooled) {

    public PositionOutputs {
        nextTokens = List.copyOf(nextTokens);
        hiddenStates = List.copyOf(hiddenStates);
    }

    public boolean isEmpty() {
        return nextTokens.isEmpty() && hiddenStates.isEmpty() && pooled.isEmpty();
    }

    /// Values of hidden states, all positions together.
    public int hiddenValues() {
        return hiddenStates.size() * hiddenSize;
    }

    private PositionOutputs without(int tokens, int states) {
        return new PositionOutputs(
                position + Math.max(tokens, states),
                nextTokens.subList(tokens, nextTokens.size()),
                hiddenSize,
                hiddenStates.subList(states, hiddenStates.size()),
                pooled);
    }

    /// Counts which outputs of one sequence have been delivered: a preempted sequence computes
    /// positions again, and each position is delivered once.
    static final class Cursor {
        private int tokensFrom;
        private int statesFrom;

        /// Returns the part of `outputs` that was not delivered before, possibly nothing, and
        /// counts it as delivered.
        PositionOutputs advance(PositionOutputs outputs) {
            int tokens = outputs.nextTokens.size();
            int states = outputs.hiddenStates.size();
            int position = outputs.position;
            int oldTokens = Math.clamp(tokensFrom - position, 0, tokens);
            int oldStates = Math.clamp(statesFrom - position, 0, states);
            if (tokens > 0) {
                tokensFrom = Math.max(tokensFrom, position + tokens);
            }
            if (states > 0) {
                statesFrom = Math.max(statesFrom, position + states);
            }
            return oldTokens == 0 && oldStates == 0
                    ? outputs
                    : outputs.without(oldTokens, oldStates);
        }
    }
}
