// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.SamplingParams;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// The sampling settings of a request and the conditions that end its text; every value was checked
/// by `SamplingFields`.
///
/// @param params for the workers, complete except for the seed
/// @param seed empty for a random one
/// @param maxTokens empty for the rest of the context
/// @param choices the number of completions of each prompt
public record Sampling(
        SamplingParams params,
        OptionalLong seed,
        OptionalInt maxTokens,
        int minTokens,
        List<String> stop,
        List<Integer> stopTokenIds,
        boolean ignoreEos,
        boolean includeStop,
        boolean skipSpecialTokens,
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
                    true,
                    false,
                    true,
                    1);

    public Sampling {
        stop = List.copyOf(stop);
        stopTokenIds = List.copyOf(stopTokenIds);
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
