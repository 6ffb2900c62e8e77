// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// The generation settings of one choice that the scheduler reads, and the sampling settings that
/// it passes on to the workers.
///
/// @param index among the choices of its request
/// @param maxTokens new tokens; 0 for a sequence that only computes its prompt
/// @param minTokens tokens before a stop id ends the sequence
/// @param stopTokenIds the end tokens of the model included: the scheduler knows no others
/// @param constraint a grammar that the generated text must match; empty for none
public record Choice(
        int index,
        int maxTokens,
        int minTokens,
        List<Integer> stopTokenIds,
        Payload sampling,
        Payload constraint) {

    public Choice {
        stopTokenIds = List.copyOf(stopTokenIds);
        if (maxTokens < 0) {
            throw new IllegalArgumentException("max_tokens is " + maxTokens + ", the least is 0");
        }
        if (minTokens < 0 || minTokens > maxTokens) {
            throw new IllegalArgumentException(
                    "min_tokens is " + minTokens + ", it must lie in 0 to max_tokens " + maxTokens);
        }
        if (index < 0) {
            throw new IllegalArgumentException("choice is " + index + ", the least is 0");
        }
    }

    /// Returns the only choice of a request, without stop ids.
    public static Choice of(int maxTokens) {
        return new Choice(0, maxTokens, 0, List.of(), Payload.NONE, Payload.NONE);
    }

    public Choice withIndex(int other) {
        return new Choice(other, maxTokens, minTokens, stopTokenIds, sampling, constraint);
    }

    public Choice withStopTokenIds(List<Integer> ids) {
        return new Choice(index, maxTokens, minTokens, ids, sampling, constraint);
    }

    /// Whether the choice of a token depends on the text of the token before it, so that the host
    /// must know that one first.
    boolean constrained() {
        return !constraint.isEmpty();
    }

    boolean stopsAt(int tokenId) {
        for (int i = 0; i < stopTokenIds.size(); i++) {
            if (stopTokenIds.get(i) == tokenId) {
                return true;
            }
        }
        return false;
    }
}
