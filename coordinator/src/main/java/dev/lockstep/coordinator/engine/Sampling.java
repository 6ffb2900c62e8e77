package dev.lockstep.coordinator.engine;

import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.SamplingParams;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;

/// How a request wants its tokens chosen and its text ended; every value checked by
/// `SamplingFields`.
///
/// @param logitBias by token id
/// @param seed empty: drawn when the request is sent
/// @param maxTokens empty: the rest of the context
/// @param logprobs report the log-probability of each token, and of `topLogprobs` likely ones
/// @param choices how many answers to each prompt
public record Sampling(
        float temperature,
        float topP,
        int topK,
        float minP,
        float repetitionPenalty,
        float frequencyPenalty,
        float presencePenalty,
        Map<Integer, Float> logitBias,
        OptionalLong seed,
        OptionalInt maxTokens,
        int minTokens,
        List<String> stop,
        List<Integer> stopTokenIds,
        boolean ignoreEos,
        boolean includeStop,
        boolean skipSpecialTokens,
        boolean logprobs,
        int topLogprobs,
        int choices) {

    /// Generates no token.
    public static final Sampling NOTHING =
            new Sampling(
                    0,
                    1,
                    0,
                    0,
                    1,
                    0,
                    0,
                    Map.of(),
                    OptionalLong.empty(),
                    OptionalInt.of(0),
                    0,
                    List.of(),
                    List.of(),
                    true,
                    false,
                    true,
                    false,
                    0,
                    1);

    public Sampling {
        logitBias = Map.copyOf(logitBias);
        stop = List.copyOf(stop);
        stopTokenIds = List.copyOf(stopTokenIds);
    }

    /// One choice as the scheduler takes it.
    ///
    /// @param resolvedSeed the request's, or one drawn for it; every choice has the same, for its
    ///   index is part of the noise's address
    /// @param room tokens that the context has left
    SamplingParams toProto(int choice, long resolvedSeed, int room) {
        int most = Math.min(maxTokens.orElse(room), room);
        SamplingParams.Builder proto =
                SamplingParams.newBuilder()
                        .setTemperature(temperature)
                        .setTopP(topP)
                        .setTopK(topK)
                        .setMinP(minP)
                        .setRepetitionPenalty(repetitionPenalty)
                        .setFrequencyPenalty(frequencyPenalty)
                        .setPresencePenalty(presencePenalty)
                        .setSeed(resolvedSeed)
                        .setChoice(choice)
                        .setMaxTokens(most)
                        .setMinTokens(Math.min(minTokens, most))
                        .addAllStopTokenIds(stopTokenIds)
                        .setIgnoreEos(ignoreEos)
                        .setLogprobs(logprobs)
                        .setTopLogprobs(topLogprobs);
        logitBias.entrySet().stream()
                .sorted(Map.Entry.comparingByKey())
                .forEach(
                        bias ->
                                proto.addLogitBias(
                                        LogitBias.newBuilder()
                                                .setTokenId(bias.getKey())
                                                .setBias(bias.getValue())));
        return proto.build();
    }
}
