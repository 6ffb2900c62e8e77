package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;

/// The body of `POST /v1/completions`, checked.
///
/// @param echo the prompt comes back before the text
/// @param promptOnly `echo` with `max_tokens` 0: nothing is generated
record CompletionRequest(
        List<Prompt> prompts,
        boolean addSpecialTokens,
        Sampling sampling,
        Terms terms,
        StreamFields delivery,
        boolean returnTokenIds,
        boolean echo,
        boolean promptOnly) {

    /// As elsewhere where this API is spoken.
    private static final int DEFAULT_MAX_TOKENS = 16;

    /// Evaluation harnesses send a few hundred.
    private static final int MOST_PROMPTS = 1024;

    private static final int MOST_CHOICES = 4096;

    /// One prompt: text, or token ids.
    sealed interface Prompt {
        record Text(String text) implements Prompt {}

        record Ids(List<Integer> ids) implements Prompt {
            public Ids {
                ids = List.copyOf(ids);
            }
        }
    }

    CompletionRequest {
        prompts = List.copyOf(prompts);
    }

    static CompletionRequest parse(Fields fields, ServedModel model, Envelope envelope) {
        model.requireName(fields.requireText("model"));
        UnservedFields.refuseInCompletions(fields);
        boolean echo = fields.flag("echo", false);
        if (echo) {
            model.requireTokenizer("echo");
        }
        OptionalInt newer = fields.integer("max_completion_tokens", 1, Integer.MAX_VALUE);
        int maxTokens =
                newer.orElse(
                        fields.integer(
                                "max_tokens", echo ? 0 : 1, Integer.MAX_VALUE, DEFAULT_MAX_TOKENS));
        OptionalInt logprobs = fields.integer("logprobs", 0, SamplingFields.MOST_LOGPROBS);
        if (echo && logprobs.isPresent()) {
            throw ApiError.unserved(
                    "logprobs",
                    "logprobs is "
                            + logprobs.getAsInt()
                            + " and echo is true; log-probabilities of the prompt are not served");
        }
        List<Prompt> prompts = prompts(fields, model);
        Sampling sampling =
                SamplingFields.parse(
                        fields,
                        model,
                        OptionalInt.of(maxTokens),
                        new SamplingFields.Logprobs(logprobs.isPresent(), logprobs.orElse(0)));
        if ((long) prompts.size() * sampling.choices() > MOST_CHOICES) {
            throw ApiError.invalid(
                    "n",
                    "%d prompts with n %d are more than %d choices"
                            .formatted(prompts.size(), sampling.choices(), MOST_CHOICES));
        }
        return new CompletionRequest(
                prompts,
                fields.flag("add_special_tokens", true),
                sampling,
                TermsFields.parse(fields, envelope),
                StreamFields.parse(fields),
                fields.flag("return_token_ids", false),
                echo,
                maxTokens == 0);
    }

    private static List<Prompt> prompts(Fields fields, ServedModel model) {
        JsonNode value = fields.value("prompt");
        if (value.isTextual()) {
            return List.of(new Prompt.Text(Fields.text("prompt", value)));
        }
        if (value.isMissingNode()) {
            throw ApiError.invalid("prompt", "prompt is missing, give text or token ids");
        }
        if (!value.isArray()) {
            throw Fields.wrong("prompt", "text, token ids, or an array of either", value);
        }
        if (value.isEmpty()) {
            throw ApiError.invalid("prompt", "prompt is empty, give at least one token");
        }
        if (value.get(0).isTextual()) {
            return fields.list(
                    "prompt",
                    MOST_PROMPTS,
                    (name, text) -> new Prompt.Text(Fields.text(name, text)));
        }
        if (value.get(0).isArray()) {
            return fields.list("prompt", MOST_PROMPTS, (name, ids) -> ids(name, ids, model));
        }
        return List.of(ids("prompt", value, model));
    }

    private static Prompt ids(String name, JsonNode value, ServedModel model) {
        if (!value.isArray()) {
            throw Fields.wrong(name, "an array of token ids", value);
        }
        List<Integer> ids = new ArrayList<>(value.size());
        for (int i = 0; i < value.size(); i++) {
            ids.add(model.requireToken(name + "[" + i + "]", value.get(i)));
        }
        return new Prompt.Ids(ids);
    }
}
