// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.PairForm;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.SentencePooling;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.TokenPair;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// How a query and a document become the prompt of a reranker.
///
/// @param head its score of a pooled hidden state
/// @param instruction of the task: the system message of a chat, at its place in a template, else
///   the beginning of the query
record PairPrompts(ServedModel model, SentenceModel.Score head, String instruction) {
    private static final String INSTRUCT = "instruct";
    private static final String ROLE = "role";
    private static final String CONTENT = "content";

    /// The fields of requests for embeddings that a pair of texts has no use for.
    private static final List<String> EMBEDDING_FIELDS =
            List.of(
                    "truncate",
                    "truncation_direction",
                    "truncate_prompt_tokens",
                    "add_special_tokens",
                    "normalize",
                    OutputFields.POOLING);

    static PairPrompts parse(Fields fields, ServedModel model, SentenceModel.Score head) {
        for (String field : EMBEDDING_FIELDS) {
            boolean off = fields.value(field).isBoolean() && !fields.value(field).booleanValue();
            boolean ofModel =
                    field.equals(OutputFields.POOLING) && OutputFields.pooling(fields).isEmpty();
            if (fields.has(field) && !off && !ofModel) {
                throw ApiError.unserved(
                        field,
                        field
                                + " is not served with a reranker; max_tokens_per_doc cuts documents");
            }
        }
        Optional<String> instruct = fields.text(INSTRUCT);
        for (String field : List.of(InputPrompts.NAME, InputPrompts.TYPE)) {
            if (instruct.isPresent()
                    && fields.text(field).filter(text -> !text.isEmpty()).isPresent()) {
                throw ApiError.invalid(field, field + " and instruct are given, give one");
            }
        }
        String instruction = instruct.orElseGet(() -> InputPrompts.of(fields, model));
        if (!instruction.isEmpty()
                && head.form() instanceof PairForm.Template template
                && !template.hasInstruction()) {
            throw ApiError.unserved(
                    INSTRUCT, "the text around the model's pairs has no place for an instruction");
        }
        return new PairPrompts(model, head, instruction);
    }

    /// Refuses an instruction for a model that compares vectors.
    static void refuse(Fields fields) {
        if (fields.text(INSTRUCT).filter(text -> !text.isEmpty()).isPresent()) {
            throw ApiError.unserved(
                    INSTRUCT,
                    "instruct is for rerankers that read a query and a document together; this model compares embeddings, use prompt_name");
        }
    }

    /// Returns the prompt of a pair.
    ///
    /// @param name of the document in error messages
    TokenPrompt of(String query, String name, String document, Pooling pooling) {
        TokenPair pair =
                switch (head.form()) {
                    case PairForm.Chat() -> chat(name, query, document);
                    case PairForm.TokenizerRule() -> joined(name, query, document);
                    case PairForm.Template template ->
                            whole(name, template.of(instruction, query, document));
                };
        int[] ids = pair.ids();
        int limit = model.sentence().maxLength().orElse(Integer.MAX_VALUE);
        if (ids.length > limit) {
            throw ApiError.invalid(
                    name,
                    "context_length_exceeded",
                    "query and %s have %d tokens together, the model's files limit them to %d: max_tokens_per_doc cuts documents"
                            .formatted(name, ids.length, limit));
        }
        boolean typed = head.tokenTypes() && pair.second() < ids.length;
        return new TokenPrompt(
                ids,
                RequestedOutputs.pooled(pooling, 0, ids.length)
                        .withSecondText(typed ? pair.second() : 0));
    }

    private TokenPair chat(String name, String query, String document) {
        List<Map<String, String>> messages = new ArrayList<>();
        if (!instruction.isEmpty()) {
            messages.add(Map.of(ROLE, "system", CONTENT, instruction));
        }
        messages.add(Map.of(ROLE, "query", CONTENT, query));
        messages.add(Map.of(ROLE, "document", CONTENT, document));
        return whole(name, model.render(ChatVariables.of(messages, false)));
    }

    private TokenPair whole(String name, String prompt) {
        int[] ids = model.encode(name, prompt, false);
        return new TokenPair(ids, ids.length, ids.length);
    }

    /// Joins the two by the tokenizer's rule for pairs. A score of the last token is that of the
    /// document's.
    private TokenPair joined(String name, String query, String document) {
        SentenceModel sentence = model.sentence();
        return model.pair(name, sentence.cased(instruction + query), sentence.cased(document))
                .filter(
                        pair ->
                                head.pooling() != SentencePooling.LAST
                                        || pair.end() == pair.ids().length)
                .orElseThrow(
                        () ->
                                ApiError.invalid(
                                        "model",
                                        "the tokenizer of the model "
                                                + model.name()
                                                + " does not say how its head reads two texts together: pairs of texts are not served with it"));
    }
}
