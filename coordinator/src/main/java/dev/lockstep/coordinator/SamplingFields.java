// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.proto.v1.LogitBias;
import dev.lockstep.proto.v1.SamplingParams;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.regex.Pattern;

/// Reads the sampling fields that chat and completion requests share.
final class SamplingFields {
    static final int MAX_CHOICES = 128;
    static final int MAX_LOGPROBS = 20;

    private static final int MAX_STOPS = 64;
    private static final int MAX_STOP_LENGTH = 4096;
    private static final int MAX_STOP_IDS = 1024;
    private static final int MAX_BIASES = 1024;
    private static final Pattern TOKEN_ID = Pattern.compile("0|-?[1-9][0-9]{0,8}");

    /// The log-probabilities to report, which each route has its own fields for.
    record Logprobs(boolean requested, int top) {}

    private SamplingFields() {}

    /// Reads the fields.
    ///
    /// @param maxTokens read by the route, because its default depends on the route
    static Sampling parse(
            Fields fields, ServedModel model, OptionalInt maxTokens, Logprobs logprobs) {
        int minTokens = fields.integer("min_tokens", 0, Integer.MAX_VALUE, 0);
        if (maxTokens.isPresent() && minTokens > maxTokens.getAsInt()) {
            throw ApiError.invalid(
                    fields.name("min_tokens"),
                    "min_tokens is "
                            + minTokens
                            + ", more than the "
                            + maxTokens.getAsInt()
                            + " tokens that may be generated");
        }
        BadWords bad = BadWords.parse(fields, model);
        var sampling =
                new Sampling(
                        params(fields, model, logprobs).addAllBannedTokenIds(bad.ids()).build(),
                        seed(fields),
                        maxTokens,
                        minTokens,
                        stop(fields, model),
                        fields.list("stop_token_ids", MAX_STOP_IDS, model::requireToken),
                        fields.flag("ignore_eos", false) ? List.of() : model.endTokens().ids(),
                        fields.flag("include_stop_str_in_output", false),
                        fields.flag("skip_special_tokens", true),
                        bad.sequences(),
                        fields.integer("n", 1, MAX_CHOICES, 1));
        requireGoingOn(fields, sampling);
        return sampling;
    }

    /// Refuses a text that may neither go on nor end.
    private static void requireGoingOn(Fields fields, Sampling sampling) {
        List<Integer> allowed = sampling.params().getAllowedTokenIdsList();
        if (!allowed.isEmpty() && sampling.params().getBannedTokenIdsList().containsAll(allowed)) {
            throw ApiError.invalid(
                    fields.name("bad_words"), "bad_words have every id of allowed_token_ids");
        }
        if (sampling.minTokens() > 0
                && !allowed.isEmpty()
                && sampling.endIds().containsAll(allowed)) {
            throw ApiError.invalid(
                    fields.name("allowed_token_ids"),
                    "allowed_token_ids has only ids that end the text, and min_tokens is "
                            + sampling.minTokens());
        }
    }

    /// Reads the fields for the workers, complete except for the seed.
    private static SamplingParams.Builder params(
            Fields fields, ServedModel model, Logprobs logprobs) {
        GenerationDefaults defaults = model.defaults();
        float temperature =
                fields.number(
                        "temperature",
                        0,
                        GenerationDefaults.MAX_TEMPERATURE,
                        (float) defaults.temperature());
        float topP = fields.number("top_p", 0, 1, (float) defaults.topP());
        return SamplingParams.newBuilder()
                // top_p 0 leaves only the most likely token, as temperature 0 does.
                .setTemperature(topP == 0 ? 0 : temperature)
                .setTopP(topP == 0 ? 1 : topP)
                // -1 disables it too, as in other servers.
                .setTopK(
                        Math.max(
                                0, fields.integer("top_k", -1, Integer.MAX_VALUE, defaults.topK())))
                .setMinP(fields.number("min_p", 0, 1, (float) defaults.minP()))
                .setTypicalP(fields.positive("typical_p", 1, 1))
                .setRepetitionPenalty(
                        fields.positive(
                                "repetition_penalty",
                                GenerationDefaults.MAX_REPETITION_PENALTY,
                                (float) defaults.repetitionPenalty()))
                .setFrequencyPenalty(fields.number("frequency_penalty", -2, 2, 0))
                .setPresencePenalty(fields.number("presence_penalty", -2, 2, 0))
                .addAllLogitBias(logitBias(fields, model))
                .addAllAllowedTokenIds(allowedIds(fields, model))
                .setLogprobs(logprobs.requested())
                .setTopLogprobs(logprobs.top());
    }

    private static OptionalLong seed(Fields fields) {
        OptionalLong seed = fields.whole("seed");
        // -1 requests a random seed, as in other servers.
        return seed.isPresent() && seed.getAsLong() == -1 ? OptionalLong.empty() : seed;
    }

    private static List<String> stop(Fields fields, ServedModel model) {
        JsonNode value = fields.value("stop");
        List<String> stops =
                value.isTextual()
                        ? List.of(Fields.text("stop", value))
                        : fields.list("stop", MAX_STOPS, Fields::text);
        if (!stops.isEmpty()) {
            model.requireTokenizer(fields.name("stop"));
        }
        for (String stop : stops) {
            if (stop.isEmpty() || stop.length() > MAX_STOP_LENGTH) {
                throw ApiError.invalid(
                        fields.name("stop"),
                        "stop has a text of "
                                + stop.length()
                                + " characters, it must have 1 to "
                                + MAX_STOP_LENGTH);
            }
        }
        return stops;
    }

    private static List<LogitBias> logitBias(Fields fields, ServedModel model) {
        Fields given = fields.object("logit_bias").orElse(new Fields(Json.object()));
        if (given.node().size() > MAX_BIASES) {
            throw ApiError.invalid(
                    fields.name("logit_bias"),
                    "logit_bias has "
                            + given.node().size()
                            + " entries, at most "
                            + MAX_BIASES
                            + " are accepted");
        }
        SortedMap<Integer, LogitBias> biases = new TreeMap<>();
        for (Map.Entry<String, JsonNode> entry : given.entries()) {
            int id = biasedToken(fields.name("logit_bias"), entry.getKey(), model);
            float bias = Fields.number(given.name(entry.getKey()), entry.getValue(), -100, 100);
            biases.put(id, LogitBias.newBuilder().setTokenId(id).setBias(bias).build());
        }
        return List.copyOf(biases.values());
    }

    /// Reads the only ids that may be chosen. Those that end the text are among them only if they
    /// are named, as in other servers.
    private static List<Integer> allowedIds(Fields fields, ServedModel model) {
        List<Integer> ids =
                fields.list("allowed_token_ids", model.vocabularySize(), model::requireToken);
        if (fields.has("allowed_token_ids") && ids.isEmpty()) {
            throw ApiError.invalid(
                    fields.name("allowed_token_ids"),
                    "allowed_token_ids is empty, it must have at least one token id");
        }
        return ids;
    }

    private static int biasedToken(String name, String text, ServedModel model) {
        // Only the JSON form of a number: other spellings would let two entries name the same id.
        if (TOKEN_ID.matcher(text).matches()) {
            return model.requireToken(name, Integer.parseInt(text));
        }
        throw ApiError.invalid(
                name, name + " names \"" + Json.quoted(text) + "\", which is not a token id");
    }
}
