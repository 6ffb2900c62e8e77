// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.Tokenizer;
import java.util.List;
import java.util.Optional;

/// Served models that differ from another one in part.
final class Models {
    private Models() {}

    static ServedModel named(ServedModel model, String... names) {
        return with(
                model, List.of(names), model.outputHead(), model.tokenizer(), model.chatTemplate());
    }

    static ServedModel templated(ServedModel model, ModelTemplate template) {
        return with(model, model.names(), model.outputHead(), model.tokenizer(), template);
    }

    static ServedModel withoutTokenizer(ServedModel model) {
        return with(
                model,
                model.names(),
                model.outputHead(),
                Optional.empty(),
                new ModelTemplate.Missing());
    }

    /// Returns the model as one whose inputs are computed in one step each.
    static ServedModel encoder(ServedModel model) {
        ModelDetails own = model.details();
        return with(
                model,
                model.names(),
                false,
                model.tokenizer(),
                model.chatTemplate(),
                new ModelDetails(
                        own.format(),
                        own.architecture(),
                        true,
                        own.weightType(),
                        own.parameters(),
                        own.bytes(),
                        own.digest()));
    }

    static ServedModel withoutHead(ServedModel model) {
        return with(model, model.names(), false, model.tokenizer(), model.chatTemplate());
    }

    private static ServedModel with(
            ServedModel model,
            List<String> names,
            boolean outputHead,
            Optional<Tokenizer> tokenizer,
            ModelTemplate template) {
        return with(model, names, outputHead, tokenizer, template, model.details());
    }

    private static ServedModel with(
            ServedModel model,
            List<String> names,
            boolean outputHead,
            Optional<Tokenizer> tokenizer,
            ModelTemplate template,
            ModelDetails details) {
        return new ServedModel(
                names,
                model.vocabularySize(),
                model.contextLength(),
                model.hiddenSize(),
                outputHead,
                model.sentence(),
                tokenizer,
                template,
                model.endTokens(),
                model.tokenizerInfo(),
                model.defaults(),
                ModelAnswers.of(template, tokenizer, TextSettings.OF_MODEL),
                details,
                model.created());
    }
}
