// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.Sampling;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// The body of `POST /v1/completions`, checked.
///
/// @param outputs the fields as requested
/// @param promptOutputs the outputs to request of every prompt, with those for `echo` and
///   `logprobs`
/// @param sampling of every choice that is generated, of which `bestOf` are returned
/// @param echo whether the prompt is returned before the text
record TextRequest(
        List<Prompt> prompts,
        boolean addSpecialTokens,
        Sampling sampling,
        BestOf bestOf,
        Truncation truncation,
        RequestOptions options,
        StreamFields delivery,
        OutputFields outputs,
        RequestedOutputs promptOutputs,
        Optional<ConstraintSource> constraint,
        boolean returnTokenIds,
        boolean echo) {

    /// The default of other servers with this API.
    private static final int DEFAULT_MAX_TOKENS = 16;

    /// Evaluation harnesses send a few hundred.
    private static final int MAX_PROMPTS = 1024;

    private static final int MAX_CHOICES = 4096;
    private static final int MAX_EXTRAS = 1024;

    TextRequest {
        prompts = List.copyOf(prompts);
    }

    static TextRequest parse(Fields fields, ServedModel model, RequestContext context) {
        boolean middle = fields.text("suffix").filter(text -> !text.isEmpty()).isPresent();
        return parse(fields, model, context, middle);
    }

    /// Reads a request for the text before a `suffix`, also an empty one, behind those of
    /// `input_extra`.
    static TextRequest ofMiddle(Fields fields, ServedModel model, RequestContext context) {
        return parse(fields, model, context, true);
    }

    private static TextRequest parse(
            Fields fields, ServedModel model, RequestContext context, boolean middle) {
        model.requireName(fields.requireText("model"));
        UnservedFields.refuseInCompletions(fields);
        boolean echo = fields.flag("echo", false);
        if (echo) {
            model.requireTokenizer("echo");
        }
        OutputFields outputs = OutputFields.parse(fields);
        int min = echo || outputs.any() ? 0 : 1;
        int maxTokens =
                fields.integer("max_completion_tokens", min, Integer.MAX_VALUE)
                        .orElse(
                                fields.integer(
                                        "max_tokens", min, Integer.MAX_VALUE, DEFAULT_MAX_TOKENS));
        OptionalInt logprobs = fields.integer("logprobs", 0, SamplingFields.MAX_LOGPROBS);
        StreamFields delivery = StreamFields.parse(fields);
        OutputFields all =
                echo && logprobs.isPresent()
                        ? outputs.withPromptLogprobs(logprobs.getAsInt())
                        : outputs;
        all.requireNoTokensWithPooling(fields, OptionalInt.of(maxTokens));
        List<Prompt> sent = Prompt.list("prompt", MAX_PROMPTS, fields, model);
        List<Prompt> prompts =
                middle
                        ? Prompt.before(
                                fields.text("suffix").orElse(""), extras(fields), sent, model)
                        : sent;
        if (middle && echo) {
            throw ApiError.invalid("suffix", "suffix is given, then echo must be false");
        }
        Sampling requested =
                SamplingFields.parse(
                        fields,
                        model,
                        OptionalInt.of(maxTokens),
                        new SamplingFields.Logprobs(logprobs.isPresent(), logprobs.orElse(0)));
        BestOf bestOf = BestOf.parse(fields, requested.choices(), delivery.stream());
        Sampling generated = requested.withChoices(bestOf.generated());
        Sampling sampling =
                !middle || requested.endTokenIds().isEmpty()
                        ? generated
                        : generated.withEnds(FillInTheMiddle.require(model, "suffix").ends());
        if ((long) prompts.size() * sampling.choices() > MAX_CHOICES) {
            throw ApiError.invalid(
                    bestOf.chooses() ? "best_of" : "n",
                    "%d prompts with %d choices each are more than %d choices"
                            .formatted(prompts.size(), sampling.choices(), MAX_CHOICES));
        }
        all.requireOneChoice(sampling);
        return new TextRequest(
                prompts,
                fields.flag("add_special_tokens", true),
                sampling,
                bestOf,
                Truncation.parse(fields),
                RequestOptionFields.parse(fields, context),
                delivery,
                outputs,
                all.promptOutputs(),
                ConstraintFields.parse(fields, model),
                fields.flag("return_token_ids", false),
                echo);
    }

    private static List<FillInTheMiddle.Extra> extras(Fields fields) {
        return fields.list(
                "input_extra",
                MAX_EXTRAS,
                (name, value) -> {
                    Fields extra = Fields.object(name, value);
                    return new FillInTheMiddle.Extra(
                            extra.text("filename").orElse("file"), extra.requireText("text"));
                });
    }

    /// Returns the most tokens of a prompt that leave the room which its output likely needs.
    ///
    /// @param context of the prompt and its output
    int room(int context) {
        return context - Math.min(sampling.maxTokens().orElse(context), context / 4);
    }

    /// Returns false with `echo`, `max_tokens` 0 and no other outputs.
    boolean needsEngine() {
        return sampling.generates() || promptOutputs.any();
    }
}
