package dev.lockstep.kernels;

import java.util.Map;

/// How one slot's tokens are chosen; every value resolved and checked.
///
/// The noise of a token is a function of (seed, choice, position, token id), nothing else.
///
/// @param temperature 0 is greedy
/// @param topP (0, 1], 1 is off
/// @param topK 0 is off
/// @param minP [0, 1], relative to the most likely token, 0 is off
/// @param repetitionPenalty over prompt and output, 1 is off
/// @param frequencyPenalty times the count in the output
/// @param presencePenalty once for each id in the output
/// @param minTokens `maskedIds` cannot be chosen before this many tokens were
/// @param maskedIds end and stop ids
/// @param logprobs whether the chosen token's log-probability is wanted
/// @param topLogprobs of how many most likely tokens, at most [#MAX_TOP_LOGPROBS]
public record SamplingSettings(
        float temperature,
        float topP,
        int topK,
        float minP,
        float repetitionPenalty,
        float frequencyPenalty,
        float presencePenalty,
        Map<Integer, Float> logitBias,
        long seed,
        int choice,
        int minTokens,
        int[] maskedIds,
        boolean logprobs,
        int topLogprobs) {

    public static final int MAX_TOP_LOGPROBS = 20;

    public SamplingSettings {
        logitBias = Map.copyOf(logitBias);
        require(
                temperature >= 0 && Float.isFinite(temperature),
                "temperature",
                temperature,
                "0 or more");
        require(topP > 0 && topP <= 1, "top_p", topP, "in (0, 1]");
        require(topK >= 0, "top_k", topK, "0 or more");
        require(minP >= 0 && minP <= 1, "min_p", minP, "in [0, 1]");
        require(
                repetitionPenalty > 0 && Float.isFinite(repetitionPenalty),
                "repetition_penalty",
                repetitionPenalty,
                "more than 0");
        require(
                topLogprobs >= 0 && topLogprobs <= MAX_TOP_LOGPROBS,
                "top_logprobs",
                topLogprobs,
                "in [0, " + MAX_TOP_LOGPROBS + "]");
    }

    /// Greedy, nothing else asked.
    public static SamplingSettings greedy() {
        return new SamplingSettings(0, 1, 0, 0, 1, 0, 0, Map.of(), 0, 0, 0, new int[0], false, 0);
    }

    private static void require(boolean holds, String name, Object value, String limit) {
        if (!holds) {
            throw new IllegalArgumentException(
                    "%s is %s, must be %s".formatted(name, value, limit));
        }
    }
}
