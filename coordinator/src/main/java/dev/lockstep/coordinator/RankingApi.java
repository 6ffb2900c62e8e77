// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;

/// `POST /v1/score` and `POST /v1/rerank`, at `/rerank` and `/v2/rerank` too: how relevant
/// documents are to a query.
///
/// A reranker reads a query and a document together, and its head scores them. With other models it
/// is the similarity of the embeddings of the two, the cosine of their angle if the model's files
/// name no other; that ranks well on models that were trained for embeddings.
///
/// `{model, text_1, text_2, max_tokens_per_doc, instruct}` to a score of each pair: one text
/// against each of several, or the first against the first and so on. The second texts are the
/// documents. `{model, query, documents, top_n, return_documents, max_tokens_per_doc, instruct}` to
/// the documents, the most relevant first.
final class RankingApi {
    private static final int MAX_TEXTS = 1024;
    private static final String DOCUMENTS = "documents";

    private final CompletionFactory completions;

    RankingApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body of `POST /v1/score`. The completion does not refer to the body.
    Completion score(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        List<RankingPlan.Text> first = texts(fields, "text_1", "queries");
        List<RankingPlan.Text> second = cut(fields, texts(fields, "text_2", "items"));
        if (first.size() != 1 && first.size() != second.size()) {
            throw ApiError.invalid(
                    first.getFirst().field(),
                    "%d texts are compared with %d, it must be 1 or as many"
                            .formatted(first.size(), second.size()));
        }
        List<RankingPlan.Text> all = new ArrayList<>(first);
        all.addAll(second);
        List<RankingPlan.Pair> pairs =
                IntStream.range(0, second.size())
                        .mapToObj(
                                i ->
                                        new RankingPlan.Pair(
                                                first.size() == 1 ? 0 : i, first.size() + i))
                        .toList();
        RankingPlan plan = plan(fields, all, pairs, false);
        PreparedRequest request = prepare(fields, plan, context);
        return completions.completion(request, inbox, new Scores(exchange, request, plan, pairs));
    }

    /// Checks a body of `POST /v1/rerank`. The completion does not refer to the body.
    Completion rerank(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        List<RankingPlan.Text> all = new ArrayList<>();
        all.add(new RankingPlan.Text("query", fields.requireText("query")));
        List<RankingPlan.Text> documents = fields.list(DOCUMENTS, MAX_TEXTS, RankingApi::document);
        if (documents.isEmpty()) {
            throw ApiError.invalid(DOCUMENTS, "documents is empty, give at least one text");
        }
        all.addAll(cut(fields, documents));
        List<RankingPlan.Pair> pairs =
                IntStream.rangeClosed(1, documents.size())
                        .mapToObj(i -> new RankingPlan.Pair(0, i))
                        .toList();
        int top = fields.integer("top_n", 0, Integer.MAX_VALUE, 0);
        boolean shown = fields.flag("return_documents", true);
        RankingPlan plan = plan(fields, all, pairs, true);
        PreparedRequest request = prepare(fields, plan, context);
        return completions.completion(
                request,
                inbox,
                new Ranking(
                        exchange,
                        request,
                        plan,
                        documents.stream().map(RankingPlan.Text::text).toList(),
                        top == 0 ? documents.size() : top,
                        shown));
    }

    /// Returns documents with at most as many tokens as requested.
    private List<RankingPlan.Text> cut(Fields fields, List<RankingPlan.Text> documents) {
        ServedModel model = completions.model();
        model.requireName(fields.requireText("model"));
        OptionalInt limit = fields.integer("max_tokens_per_doc", 1, Integer.MAX_VALUE);
        return limit.isEmpty()
                ? documents
                : documents.stream().map(each -> each.cut(limit.getAsInt(), model)).toList();
    }

    /// @param searched whether queries and documents have prompts of their own where their
    ///   embeddings are compared
    private RankingPlan plan(
            Fields fields,
            List<RankingPlan.Text> texts,
            List<RankingPlan.Pair> pairs,
            boolean searched) {
        ServedModel model = completions.model();
        model.requireName(fields.requireText("model"));
        UnservedFields.refuseInEmbeddings(fields);
        for (RankingPlan.Text text : texts) {
            if (text.text().isEmpty()) {
                throw ApiError.invalid(
                        text.field(), text.field() + " is empty, it must have at least one token");
            }
        }
        return RankingPlan.of(fields, model, completions.context(), texts, pairs, searched);
    }

    private PreparedRequest prepare(Fields fields, RankingPlan plan, RequestContext context) {
        return completions.rank(
                plan.prompts(), RequestOptionFields.parse(fields, context), context);
    }

    /// Reads one text or several, by the first of two names that is given.
    private static List<RankingPlan.Text> texts(Fields fields, String name, String otherName) {
        String field = !fields.has(name) && fields.has(otherName) ? otherName : name;
        JsonNode value = fields.value(field);
        List<RankingPlan.Text> texts =
                value.isArray()
                        ? fields.list(field, MAX_TEXTS, RankingApi::text)
                        : List.of(new RankingPlan.Text(field, fields.requireText(field)));
        if (texts.isEmpty()) {
            throw ApiError.invalid(field, field + " is empty, give at least one text");
        }
        return texts;
    }

    private static RankingPlan.Text text(String name, JsonNode value) {
        return new RankingPlan.Text(name, Fields.text(name, value));
    }

    /// Reads a document: a text, or an object with one.
    private static RankingPlan.Text document(String name, JsonNode value) {
        if (!value.isObject()) {
            return text(name, value);
        }
        Fields fields = Fields.object(name, value);
        return new RankingPlan.Text(fields.name("text"), fields.requireText("text"));
    }

    /// Reports the score of each pair.
    private static final class Scores extends PooledVectors {
        private final PreparedRequest request;
        private final RankingPlan plan;
        private final int pairs;

        Scores(
                HttpExchange exchange,
                PreparedRequest request,
                RankingPlan plan,
                List<RankingPlan.Pair> pairs) {
            super(exchange, plan.prompts(), plan.form());
            this.request = request;
            this.plan = plan;
            this.pairs = pairs.size();
        }

        @Override
        ObjectNode toJson(TokenUsage usage) {
            ObjectNode response = request.head("list");
            ArrayNode data = response.putArray("data");
            for (int i = 0; i < pairs; i++) {
                data.addObject()
                        .put("index", i)
                        .put("object", "score")
                        .put("score", plan.scorer().of(this, i));
            }
            putUsage(response, usage);
            return response;
        }
    }

    /// Orders documents by their scores with the query.
    private static final class Ranking extends PooledVectors {
        private final PreparedRequest request;
        private final RankingPlan plan;
        private final List<String> documents;
        private final int top;
        private final boolean shown;

        Ranking(
                HttpExchange exchange,
                PreparedRequest request,
                RankingPlan plan,
                List<String> documents,
                int top,
                boolean shown) {
            super(exchange, plan.prompts(), plan.form());
            this.request = request;
            this.plan = plan;
            this.documents = documents;
            this.top = top;
            this.shown = shown;
        }

        @Override
        ObjectNode toJson(TokenUsage usage) {
            ObjectNode response =
                    Json.object().put("id", request.id()).put("model", request.model().name());
            putUsage(response, usage);
            double[] scores =
                    IntStream.range(0, documents.size())
                            .mapToDouble(i -> plan.scorer().of(this, i))
                            .toArray();
            ArrayNode results = response.putArray("results");
            IntStream.range(0, documents.size())
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer i) -> scores[i]).reversed())
                    .limit(top)
                    .forEach(
                            i -> {
                                ObjectNode result = results.addObject().put("index", i);
                                if (shown) {
                                    result.putObject("document").put("text", documents.get(i));
                                }
                                result.put("relevance_score", scores[i]);
                            });
            return response;
        }
    }

    private static void putUsage(ObjectNode response, TokenUsage usage) {
        response.putObject("usage")
                .put("prompt_tokens", usage.promptTokens())
                .put("total_tokens", usage.promptTokens());
    }
}
