// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.coordinator.engine.TokenPrompt;
import java.util.ArrayList;
import java.util.List;

/// How the inputs of a request become token ids whose hidden states are pooled.
///
/// @param context upper bound of the tokens of an input on the ready groups
/// @param cut of an input that is longer
/// @param truncation to the last tokens, before that
/// @param special whether the tokenizer puts its tokens around a text
record EmbeddingInputs(
        ServedModel model,
        SentenceModel.Vectors vectors,
        VectorForm form,
        int context,
        TextCut cut,
        Truncation truncation,
        boolean special) {

    /// Reads the fields that the APIs of vectors share: the model's own files have the defaults.
    static EmbeddingInputs parse(Fields fields, ServedModel model, int context) {
        SentenceModel.Vectors vectors = model.requireVectors();
        VectorForm form =
                VectorForm.of(vectors)
                        .withPooling(OutputFields.pooling(fields).orElse(vectors.pooling()))
                        .normalized(fields.flag("normalize", vectors.normalize()));
        return new EmbeddingInputs(
                model,
                vectors,
                form,
                context,
                TextCut.parse(fields),
                Truncation.parse(fields),
                fields.flag("add_special_tokens", true));
    }

    EmbeddingInputs withDimensions(int dimensions) {
        return new EmbeddingInputs(
                model, vectors, form.cutTo(dimensions), context, cut, truncation, special);
    }

    /// Tokenizes the inputs of a request, each after the prompt that it names or the model's
    /// default.
    ///
    /// @param field their name in error messages
    List<TokenPrompt> all(String field, List<Prompt> inputs, Fields fields) {
        boolean named = InputPrompts.named(fields, model).isPresent();
        String prompt = InputPrompts.of(fields, model);
        List<TokenPrompt> prompts = new ArrayList<>();
        for (Prompt input : inputs) {
            String name = Prompt.name(field, prompts.size(), inputs.size());
            if (named && !(input instanceof Prompt.Text)) {
                throw ApiError.invalid(name, name + " is token ids, then no prompt can be named");
            }
            prompts.add(of(name, input, prompt));
        }
        return prompts;
    }

    /// Tokenizes an input. Token ids are used as they are.
    ///
    /// @param name of the input in error messages
    /// @param prompt the text before it
    TokenPrompt of(String name, Prompt input, String prompt) {
        int[] ids =
                input instanceof Prompt.Text(String text)
                        ? ofText(name, model.sentence().cased(prompt + text))
                        : input.encode(name, model, special);
        int[] kept = truncation.of(ids, context, Sampling.NO_TOKENS);
        int limit = model.sentence().maxLength().orElse(Integer.MAX_VALUE);
        if (kept.length > limit) {
            throw ApiError.invalid(
                    name,
                    "context_length_exceeded",
                    "%s has %d tokens, the model's files limit an input to %d: truncate cuts it"
                            .formatted(name, kept.length, limit));
        }
        boolean whole = vectors.includePrompt() || !(input instanceof Prompt.Text);
        int from = whole ? 0 : promptLength(name, prompt);
        return new TokenPrompt(
                kept, RequestedOutputs.pooled(form.workerPooling(), from, kept.length));
    }

    private int[] ofText(String name, String text) {
        int[] ids = model.encode(name, text, special);
        int limit = Math.min(context, model.sentence().maxLength().orElse(context));
        return cut == TextCut.NONE || ids.length <= limit
                ? ids
                : cut.of(ids, model.encode(name, text, false), limit);
    }

    /// Returns the number of tokens before those of the input: what the tokenizer puts after a text
    /// does not count.
    private int promptLength(String name, String prompt) {
        if (prompt.isEmpty()) {
            return 0;
        }
        int[] ids = model.encode(name, model.sentence().cased(prompt), special);
        boolean ended = ids.length > 0 && model.isSpecial(ids[ids.length - 1]);
        return ended ? ids.length - 1 : ids.length;
    }
}
