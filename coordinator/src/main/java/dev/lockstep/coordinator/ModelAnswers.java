// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.tools.AnswerFormat;
import java.nio.file.Path;
import java.time.Clock;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;

/// How the served model writes its answers: immutable, learnt when it is loaded.
///
/// @param format empty if the model has no usable chat template
/// @param specials the ids of the special tokens by their text
/// @param reasoning where clients find reasoning if the request does not say
record ModelAnswers(
        Optional<AnswerFormat> format, Map<String, Integer> specials, ReasoningPlace reasoning) {
    /// Of a model without a chat template.
    static final ModelAnswers NONE =
            new ModelAnswers(Optional.empty(), Map.of(), ReasoningPlace.SEPARATE);

    ModelAnswers {
        specials = Map.copyOf(specials);
    }

    static ModelAnswers of(
            ModelTemplate template, Optional<Tokenizer> tokenizer, TextSettings settings) {
        return switch (template) {
            case ModelTemplate.Usable(ChatTemplate usable) ->
                    new ModelAnswers(
                            Optional.of(format(usable, settings.toolFormat())),
                            tokenizer.map(ModelAnswers::specials).orElse(Map.of()),
                            settings.reasoning());
            case ModelTemplate.Missing(), ModelTemplate.Broken(String _) ->
                    new ModelAnswers(Optional.empty(), Map.of(), settings.reasoning());
        };
    }

    private static AnswerFormat format(ChatTemplate template, Optional<Path> description) {
        Clock clock = Clock.systemDefaultZone();
        return description
                .map(file -> AnswerFormat.learn(template, clock, file))
                .orElseGet(() -> AnswerFormat.learn(template, clock));
    }

    private static Map<String, Integer> specials(Tokenizer tokenizer) {
        Map<String, Integer> specials = new HashMap<>();
        for (int id = 0; id < tokenizer.vocabularySize(); id++) {
            if (tokenizer.special(id)) {
                specials.putIfAbsent(tokenizer.piece(id), id);
            }
        }
        return specials;
    }

    /// Returns how an answer without tools is taken apart; empty if all of it is content.
    ///
    /// @param prompt as rendered by the template
    Optional<AnswerPlan> plan(String prompt, ReasoningPlace place, AnswerPlan.CallIds ids) {
        return format.map(AnswerFormat::withoutTools)
                .filter(plain -> !plain.isPlain())
                .map(
                        used ->
                                new AnswerPlan(
                                        used,
                                        Map.of(),
                                        false,
                                        prompt,
                                        true,
                                        place,
                                        markers(used),
                                        ids));
    }

    private Set<Integer> markers(AnswerFormat used) {
        return specials.entrySet().stream()
                .filter(special -> used.marks(special.getKey()))
                .map(Map.Entry::getValue)
                .collect(Collectors.toUnmodifiableSet());
    }
}
