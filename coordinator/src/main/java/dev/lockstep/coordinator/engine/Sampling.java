// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.SamplingParams;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;

/// The sampling settings of a request and the conditions that end its text; every value was checked
/// by `SamplingFields`.
///
/// @param params for the workers, complete except for the seed
/// @param seed empty for a random one
/// @param maxTokens empty for the rest of the context
/// @param stopTokenIds ids that the request names
/// @param endTokenIds ids that end a text of the model; empty if the request ignores them
/// @param badWords sequences of two or more ids that no text has; single ones are in `params`
/// @param choices the number of completions of each prompt
public record Sampling(
        SamplingParams params,
        OptionalLong seed,
        OptionalInt maxTokens,
        int minTokens,
        List<String> stop,
        List<Integer> stopTokenIds,
        List<Integer> endTokenIds,
        boolean includeStop,
        boolean skipSpecialTokens,
        List<List<Integer>> badWords,
        int choices) {

    /// The settings of a request that generates no token.
    public static final Sampling NO_TOKENS =
            new Sampling(
                    SamplingParams.getDefaultInstance(),
                    OptionalLong.empty(),
                    OptionalInt.of(0),
                    0,
                    List.of(),
                    List.of(),
                    List.of(),
                    false,
                    true,
                    List.of(),
                    1);

    public Sampling {
        stop = List.copyOf(stop);
        stopTokenIds = List.copyOf(stopTokenIds);
        endTokenIds = List.copyOf(endTokenIds);
        badWords = List.copyOf(badWords);
    }

    /// Returns these settings with further ids that end a text of the model.
    public Sampling withEnds(List<Integer> ids) {
        List<Integer> ends = new ArrayList<>(endTokenIds);
        ends.addAll(ids);
        return new Sampling(
                params,
                seed,
                maxTokens,
                minTokens,
                stop,
                stopTokenIds,
                ends,
                includeStop,
                skipSpecialTokens,
                badWords,
                choices);
    }

    /// Returns these settings for another number of completions of each prompt.
    public Sampling withChoices(int number) {
        return new Sampling(
                params,
                seed,
                maxTokens,
                minTokens,
                stop,
                stopTokenIds,
                endTokenIds,
                includeStop,
                skipSpecialTokens,
                badWords,
                number);
    }

    /// Returns every id that ends a choice.
    public Set<Integer> endIds() {
        Set<Integer> ids = new LinkedHashSet<>(stopTokenIds);
        ids.addAll(endTokenIds);
        return ids;
    }

    /// Returns whether tokens are generated.
    public boolean generates() {
        return maxTokens.orElse(1) > 0;
    }

    /// Returns whether the log-probability of each token is reported.
    public boolean logprobs() {
        return params.getLogprobs();
    }

    /// Returns the number of most likely tokens reported with each token.
    public int topLogprobs() {
        return params.getTopLogprobs();
    }
}
