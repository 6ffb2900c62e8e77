package dev.lockstep.scheduler;

import java.util.List;

/// How the tokens of one sequence are chosen, every field resolved. The scheduler itself reads only
/// `maxTokens`, `minTokens` and `stopTokenIds` (which hold the model's end tokens unless they are
/// ignored); the rest travels to the worker with the admission.
public record SamplingParameters(
        float temperature,
        float topP,
        int topK,
        float minP,
        Penalties penalties,
        List<Bias> logitBias,
        long seed,
        int choice,
        int maxTokens,
        int minTokens,
        List<Integer> stopTokenIds,
        boolean ignoreEndTokens,
        boolean logprobs,
        int topLogprobs) {

    public record Penalties(float repetition, float frequency, float presence) {
        public static final Penalties NONE = new Penalties(1, 0, 0);
    }

    public record Bias(int tokenId, float bias) {}

    public SamplingParameters {
        logitBias = List.copyOf(logitBias);
        stopTokenIds = List.copyOf(stopTokenIds);
        if (maxTokens < 0) {
            throw new IllegalArgumentException("max_tokens is " + maxTokens + ", the least is 0");
        }
        if (minTokens < 0 || minTokens > maxTokens) {
            throw new IllegalArgumentException(
                    "min_tokens is " + minTokens + ", it must lie in 0 to max_tokens " + maxTokens);
        }
        if (choice < 0) {
            throw new IllegalArgumentException("choice is " + choice + ", the least is 0");
        }
    }

    public static SamplingParameters greedy(int maxTokens) {
        return new SamplingParameters(
                0,
                1,
                0,
                0,
                Penalties.NONE,
                List.of(),
                0,
                0,
                maxTokens,
                0,
                List.of(),
                false,
                false,
                0);
    }

    public SamplingParameters withStopTokenIds(List<Integer> ids) {
        return new SamplingParameters(
                temperature,
                topP,
                topK,
                minP,
                penalties,
                logitBias,
                seed,
                choice,
                maxTokens,
                minTokens,
                ids,
                ignoreEndTokens,
                logprobs,
                topLogprobs);
    }

    public boolean stopsAt(int tokenId) {
        for (int i = 0; i < stopTokenIds.size(); i++) {
            if (stopTokenIds.get(i) == tokenId) {
                return true;
            }
        }
        return false;
    }
}
