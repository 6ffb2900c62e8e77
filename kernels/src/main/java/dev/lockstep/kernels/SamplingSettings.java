// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import java.util.Arrays;
import java.util.Map;

/// The sampling settings of one slot; every value is resolved and checked.
///
/// Applied in this order: ids that are banned or not allowed, masked ids, logit bias, repetition,
/// frequency and presence penalty; greedy rows choose; temperature, min-p, top-k, top-p, typical-p,
/// noise. The noise of a token is a function of (seed, choice, position, token id) only.
///
/// @param temperature 0 is greedy
/// @param topP (0, 1], 1 is off
/// @param topK 0 is off
/// @param minP [0, 1], relative to the most likely token, 0 is off
/// @param typicalP (0, 1], 1 is off: the mass of the tokens kept, those first whose information
///   content is closest to the entropy (Meister et al. 2022)
/// @param repetitionPenalty over prompt and output, 1 is off
/// @param frequencyPenalty multiplied by the count in the output
/// @param presencePenalty applied once to each id in the output
/// @param minTokens `maskedIds` cannot be chosen until this many tokens are generated
/// @param maskedIds end and stop ids
/// @param allowedIds the only ids that may be chosen; empty for all. A sampler does not read it:
///   who admits the slot passes [#mask] to [Sampler#allow], together with what else restricts the
///   slot
/// @param bannedIds ids that cannot be chosen, read as `allowedIds` are
/// @param logprobs whether the chosen token's log-probability is requested
/// @param topLogprobs the number of most likely tokens to report, at most [#MAX_TOP_LOGPROBS]
public record SamplingSettings(
        float temperature,
        float topP,
        int topK,
        float minP,
        float typicalP,
        float repetitionPenalty,
        float frequencyPenalty,
        float presencePenalty,
        Map<Integer, Float> logitBias,
        long seed,
        int choice,
        int minTokens,
        int[] maskedIds,
        int[] allowedIds,
        int[] bannedIds,
        boolean logprobs,
        int topLogprobs) {

    public static final int MAX_TOP_LOGPROBS = 20;

    /// The most entries of `logitBias`; a device keeps so many per slot.
    public static final int MAX_BIASES = 1024;

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
        require(typicalP > 0 && typicalP <= 1, "typical_p", typicalP, "in (0, 1]");
        require(
                repetitionPenalty > 0 && Float.isFinite(repetitionPenalty),
                "repetition_penalty",
                repetitionPenalty,
                "more than 0");
        require(Float.isFinite(frequencyPenalty), "frequency_penalty", frequencyPenalty, "finite");
        require(Float.isFinite(presencePenalty), "presence_penalty", presencePenalty, "finite");
        require(
                logitBias.size() <= MAX_BIASES,
                "the number of entries of logit_bias",
                logitBias.size(),
                "at most " + MAX_BIASES);
        logitBias
                .values()
                .forEach(bias -> require(Float.isFinite(bias), "logit_bias", bias, "finite"));
        require(minTokens >= 0, "min_tokens", minTokens, "0 or more");
        require(
                topLogprobs >= 0 && topLogprobs <= MAX_TOP_LOGPROBS,
                "top_logprobs",
                topLogprobs,
                "in [0, " + MAX_TOP_LOGPROBS + "]");
    }

    /// Returns whether log-probabilities are requested.
    public boolean measures() {
        return logprobs || topLogprobs > 0;
    }

    /// Returns whether only some ids may be chosen.
    public boolean restricts() {
        return allowedIds.length > 0 || bannedIds.length > 0;
    }

    /// Returns the allowed ids as a mask for [Sampler#allow].
    public long[] mask(int vocabulary) {
        long[] mask = new long[(vocabulary + Long.SIZE - 1) / Long.SIZE];
        if (allowedIds.length == 0) {
            Arrays.fill(mask, -1);
        }
        for (int id : allowedIds) {
            mask[id / Long.SIZE] |= 1L << (id % Long.SIZE);
        }
        for (int id : bannedIds) {
            mask[id / Long.SIZE] &= ~(1L << (id % Long.SIZE));
        }
        return mask;
    }

    /// Throws unless every masked, allowed, banned and biased id is in the vocabulary.
    public void requireVocabulary(int size) {
        for (int id : allowedIds) {
            requireId("allowed_token_ids", id, size);
        }
        for (int id : bannedIds) {
            requireId("banned_token_ids", id, size);
        }
        for (int id : maskedIds) {
            requireId("stop_token_ids", id, size);
        }
        logitBias.keySet().forEach(id -> requireId("logit_bias", id, size));
    }

    /// Throws unless a mask has a bit for each id of a vocabulary.
    public static void requireMask(long[] allowed, int vocabulary) {
        int words = (vocabulary + Long.SIZE - 1) / Long.SIZE;
        require(
                allowed.length >= words,
                "the number of words of a mask",
                allowed.length,
                "at least " + words);
    }

    private static void requireId(String name, int id, int size) {
        require(id >= 0 && id < size, name, id, "in [0, " + (size - 1) + "]");
    }

    /// Returns greedy settings with everything else off.
    public static SamplingSettings greedy() {
        return builder().build();
    }

    /// Returns a builder of greedy settings with everything else off.
    public static Builder builder() {
        return new Builder();
    }

    /// Returns a builder of these settings.
    public Builder toBuilder() {
        return builder()
                .temperature(temperature)
                .topP(topP)
                .topK(topK)
                .minP(minP)
                .typicalP(typicalP)
                .repetitionPenalty(repetitionPenalty)
                .frequencyPenalty(frequencyPenalty)
                .presencePenalty(presencePenalty)
                .logitBias(logitBias)
                .seed(seed)
                .choice(choice)
                .minTokens(minTokens)
                .maskedIds(maskedIds)
                .allowedIds(allowedIds)
                .bannedIds(bannedIds)
                .logprobs(logprobs)
                .topLogprobs(topLogprobs);
    }

    /// Sets one value after the other; [#build] checks them.
    public static final class Builder {
        private float temperature;
        private float topP = 1;
        private int topK;
        private float minP;
        private float typicalP = 1;
        private float repetitionPenalty = 1;
        private float frequencyPenalty;
        private float presencePenalty;
        private Map<Integer, Float> logitBias = Map.of();
        private long seed;
        private int choice;
        private int minTokens;
        private int[] maskedIds = {};
        private int[] allowedIds = {};
        private int[] bannedIds = {};
        private boolean logprobs;
        private int topLogprobs;

        private Builder() {}

        public Builder temperature(float value) {
            temperature = value;
            return this;
        }

        public Builder topP(float value) {
            topP = value;
            return this;
        }

        public Builder topK(int value) {
            topK = value;
            return this;
        }

        public Builder minP(float value) {
            minP = value;
            return this;
        }

        public Builder typicalP(float value) {
            typicalP = value;
            return this;
        }

        public Builder repetitionPenalty(float value) {
            repetitionPenalty = value;
            return this;
        }

        public Builder frequencyPenalty(float value) {
            frequencyPenalty = value;
            return this;
        }

        public Builder presencePenalty(float value) {
            presencePenalty = value;
            return this;
        }

        public Builder logitBias(Map<Integer, Float> value) {
            logitBias = value;
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        public Builder choice(int value) {
            choice = value;
            return this;
        }

        public Builder minTokens(int value) {
            minTokens = value;
            return this;
        }

        public Builder maskedIds(int[] value) {
            maskedIds = value;
            return this;
        }

        public Builder allowedIds(int[] value) {
            allowedIds = value;
            return this;
        }

        public Builder bannedIds(int[] value) {
            bannedIds = value;
            return this;
        }

        public Builder logprobs(boolean value) {
            logprobs = value;
            return this;
        }

        public Builder topLogprobs(int value) {
            topLogprobs = value;
            return this;
        }

        /// Returns the settings.
        ///
        /// @throws IllegalArgumentException naming the value and the limit
        public SamplingSettings build() {
            return new SamplingSettings(
                    temperature,
                    topP,
                    topK,
                    minP,
                    typicalP,
                    repetitionPenalty,
                    frequencyPenalty,
                    presencePenalty,
                    logitBias,
                    seed,
                    choice,
                    minTokens,
                    maskedIds,
                    allowedIds,
                    bannedIds,
                    logprobs,
                    topLogprobs);
        }
    }

    private static void require(boolean holds, String name, Object value, String limit) {
        if (!holds) {
            throw new IllegalArgumentException(
                    "%s is %s, must be %s".formatted(name, value, limit));
        }
    }
}
