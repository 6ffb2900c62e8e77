// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.coordinator.engine.TokenPrompt;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// What is computed to score pairs of texts, and how their scores follow: by the head of a reranker
/// from one prompt for each pair, otherwise from one vector for each text.
///
/// @param form of the vectors of the prompts
record RankingPlan(List<TokenPrompt> prompts, VectorForm form, Scorer scorer) {
    RankingPlan {
        prompts = List.copyOf(prompts);
    }

    /// A query and a document, by their places among the texts of a request.
    record Pair(int query, int document) {}

    /// The score of a pair, when the vectors of all prompts have arrived.
    @FunctionalInterface
    interface Scorer {
        double of(PooledVectors vectors, int pair);
    }

    /// A text and its name in error messages.
    record Text(String field, String text) {
        /// Returns the text of its first tokens.
        Text cut(int tokens, ServedModel model) {
            int[] ids = model.encode(field, text, false);
            return ids.length <= tokens
                    ? this
                    : new Text(field, model.decode(Arrays.copyOf(ids, tokens), false));
        }
    }

    /// @param context upper bound of the tokens of a prompt
    /// @param searched whether queries and documents have prompts of their own where their
    ///   embeddings are compared
    static RankingPlan of(
            Fields fields,
            ServedModel model,
            int context,
            List<Text> texts,
            List<Pair> pairs,
            boolean searched) {
        return switch (model.sentence().output()) {
            case SentenceModel.Score head ->
                    scored(PairPrompts.parse(fields, model, head), texts, pairs);
            case SentenceModel.Vectors vectors -> {
                PairPrompts.refuse(fields);
                EmbeddingInputs inputs = EmbeddingInputs.parse(fields, model, context);
                yield compared(fields, vectors, inputs, texts, pairs, searched);
            }
        };
    }

    private static RankingPlan scored(PairPrompts prompts, List<Text> texts, List<Pair> pairs) {
        SentenceModel.Score head = prompts.head();
        var raw = new VectorForm(head.pooling(), List.of(), false, Integer.MAX_VALUE);
        List<TokenPrompt> all = new ArrayList<>();
        for (Pair pair : pairs) {
            Text document = texts.get(pair.document());
            all.add(
                    prompts.of(
                            texts.get(pair.query()).text(),
                            document.field(),
                            document.text(),
                            raw.workerPooling()));
        }
        return new RankingPlan(all, raw, (vectors, i) -> head.of(vectors.vector(i)));
    }

    private static RankingPlan compared(
            Fields fields,
            SentenceModel.Vectors vectors,
            EmbeddingInputs inputs,
            List<Text> texts,
            List<Pair> pairs,
            boolean searched) {
        ServedModel model = inputs.model();
        boolean own = searched && InputPrompts.named(fields, model).isEmpty();
        String byDefault = InputPrompts.of(fields, model);
        List<TokenPrompt> all = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            Text text = texts.get(i);
            String prompt =
                    !own
                            ? byDefault
                            : i == 0
                                    ? InputPrompts.query(model.sentence())
                                    : InputPrompts.document(model.sentence());
            all.add(inputs.of(text.field(), new Prompt.Text(text.text()), prompt));
        }
        return new RankingPlan(
                all,
                inputs.form(),
                (response, i) ->
                        vectors.similarity()
                                .of(
                                        response.vector(pairs.get(i).query()),
                                        response.vector(pairs.get(i).document())));
    }
}
