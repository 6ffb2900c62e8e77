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

    static ServedModel withoutHead(ServedModel model) {
        return with(model, model.names(), false, model.tokenizer(), model.chatTemplate());
    }

    private static ServedModel with(
            ServedModel model,
            List<String> names,
            boolean outputHead,
            Optional<Tokenizer> tokenizer,
            ModelTemplate template) {
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
                model.details(),
                model.created());
    }
}
