package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.SamplingParams;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// How the tokens of a request are sampled and where its text ends; every value was checked by
/// `SamplingFields`.
///
/// @param params for the workers, complete but for the seed
/// @param seed empty: drawn when the request is sent
/// @param maxTokens empty: the rest of the context
/// @param choices answers to each prompt
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

    /// Generates no token.
    public static final Sampling NOTHING =
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

    /// Whether the log-probability of each token is reported.
    public boolean logprobs() {
        return params.getLogprobs();
    }

    /// The number of most likely tokens reported with each token.
    public int topLogprobs() {
        return params.getTopLogprobs();
    }
}
