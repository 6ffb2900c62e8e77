// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.cluster.process.Sha256;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.tools.AnswerFormat;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/// How the served model writes its answers: immutable, learnt when it is loaded.
///
/// @param format empty if the model has no usable chat template
/// @param specials the ids of the special tokens by their text
/// @param reasoning where clients find reasoning if the request does not say
/// @param thinking empty if the template shows none, or the tokenizer cannot close it
/// @param switches turn thinking on and off
record ModelAnswers(
        Optional<AnswerFormat> format,
        Map<String, Integer> specials,
        CallIdForm callIds,
        ReasoningPlace reasoning,
        Optional<ThinkingMarkers> thinking,
        ThinkingSwitches switches) {
    /// Of a model without a chat template.
    static final ModelAnswers NONE = without(ReasoningPlace.SEPARATE);

    ModelAnswers {
        specials = Map.copyOf(specials);
    }

    static ModelAnswers of(
            ModelTemplate template, Optional<Tokenizer> tokenizer, TextSettings settings) {
        return switch (template) {
            case ModelTemplate.Usable(ChatTemplate usable) -> of(usable, tokenizer, settings);
            case ModelTemplate.Missing(), ModelTemplate.Broken(String _) ->
                    without(settings.reasoning());
        };
    }

    private static ModelAnswers of(
            ChatTemplate template, Optional<Tokenizer> tokenizer, TextSettings settings) {
        AnswerFormat format = format(template, settings.toolFormat());
        Clock clock = Clock.systemUTC();
        return new ModelAnswers(
                Optional.of(format),
                tokenizer.map(ServedModel::specialTokens).orElse(Map.of()),
                CallIdForm.of(template, clock),
                settings.reasoning(),
                format.reasoning()
                        .flatMap(
                                reasoning ->
                                        tokenizer.flatMap(
                                                text -> ThinkingMarkers.of(reasoning, text))),
                ThinkingSwitches.of(template, clock));
    }

    private static ModelAnswers without(ReasoningPlace reasoning) {
        return new ModelAnswers(
                Optional.empty(),
                Map.of(),
                CallIdForm.LONG,
                reasoning,
                Optional.empty(),
                ThinkingSwitches.NONE);
    }

    private static AnswerFormat format(ChatTemplate template, Optional<Path> description) {
        Clock clock = Clock.systemUTC();
        return description
                .map(file -> AnswerFormat.learn(template, clock, file))
                .orElseGet(() -> AnswerFormat.learn(template, clock));
    }

    /// Returns whether the template shows that the model thinks.
    boolean thinks() {
        return format.flatMap(AnswerFormat::reasoning).isPresent();
    }

    /// Refuses a budget of thinking that could not be seen.
    ThinkingMarkers requireThinking(String field) {
        return thinking.orElseThrow(
                () ->
                        ApiError.unserved(
                                field,
                                field
                                        + " is given, but the model's chat template does not show how it thinks; describe it with --tool-format"));
    }

    /// Refuses tools of which a call could not be recognised.
    void requireCalls(RequestTools tools) {
        if (!tools.isEmpty() && format.flatMap(AnswerFormat::tools).isEmpty()) {
            throw ApiError.unserved(
                    tools.field(),
                    tools.field()
                            + " is given, but the model's chat template does not show how it calls tools; describe it with --tool-format");
        }
    }

    /// Returns how an answer is taken apart; empty if all of it is content.
    ///
    /// @param prompt as rendered by the template
    /// @param constrained whether a grammar keeps the calls well formed
    Optional<AnswerPlan> plan(
            RequestTools tools,
            ReasoningPlace place,
            boolean constrained,
            String prompt,
            AnswerPlan.CallIds ids) {
        return used(tools)
                .filter(used -> !used.isPlain())
                .map(
                        used ->
                                new AnswerPlan(
                                        used,
                                        tools.callable(),
                                        constrained,
                                        prompt,
                                        tools.parallel(),
                                        place,
                                        markers(used),
                                        ids));
    }

    /// Returns the maker of constraints for the answer to a prompt; empty for a model without a
    /// chat template.
    Optional<AnswerConstraint> constraint(RequestTools tools, String prompt) {
        return used(tools)
                .map(used -> new AnswerConstraint(used, specials, AnswerPlan.end(prompt)));
    }

    /// Returns an id for a call for which the model writes none, which nobody can guess who does
    /// not know its name.
    String callId(String call) {
        return callIds.next(Randomness.seeded(ByteBuffer.wrap(Sha256.of(call)).getLong()));
    }

    private Optional<AnswerFormat> used(RequestTools tools) {
        return tools.isEmpty() ? format.map(AnswerFormat::withoutTools) : format;
    }

    private Set<Integer> markers(AnswerFormat used) {
        return specials.entrySet().stream()
                .filter(special -> used.marks(special.getKey()))
                .map(Map.Entry::getValue)
                .collect(Collectors.toUnmodifiableSet());
    }
}
