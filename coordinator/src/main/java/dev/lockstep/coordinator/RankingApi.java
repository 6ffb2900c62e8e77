// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.Pooling;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// `POST /v1/score` and `POST /v1/rerank`: how close texts are, as the cosine of the angle between
/// their embeddings. That ranks well on models that were trained for embeddings.
///
/// `{model, text_1, text_2}` to a score of each pair: one text against each of several, or the
/// first against the first and so on. `{model, query, documents, top_n, return_documents}` to the
/// documents, the closest first.
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
        List<Text> first = texts(fields, "text_1", "queries");
        List<Text> second = texts(fields, "text_2", "items");
        if (first.size() != 1 && first.size() != second.size()) {
            throw ApiError.invalid(
                    first.getFirst().field(),
                    "%d texts are compared with %d, it must be 1 or as many"
                            .formatted(first.size(), second.size()));
        }
        List<Text> all = new ArrayList<>(first);
        all.addAll(second);
        PreparedRequest request = prepare(fields, all, context);
        return completions.completion(
                request, inbox, new Scores(exchange, request, first.size(), all.size()));
    }

    /// Checks a body of `POST /v1/rerank`. The completion does not refer to the body.
    Completion rerank(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        List<Text> all = new ArrayList<>();
        all.add(new Text("query", fields.requireText("query")));
        List<Text> documents = fields.list(DOCUMENTS, MAX_TEXTS, RankingApi::document);
        if (documents.isEmpty()) {
            throw ApiError.invalid(DOCUMENTS, "documents is empty, give at least one text");
        }
        all.addAll(documents);
        int top = fields.integer("top_n", 0, Integer.MAX_VALUE, 0);
        boolean shown = fields.flag("return_documents", true);
        PreparedRequest request = prepare(fields, all, context);
        return completions.completion(
                request,
                inbox,
                new Ranking(
                        exchange,
                        request,
                        documents.stream().map(Text::text).toList(),
                        top == 0 ? documents.size() : top,
                        shown));
    }

    private PreparedRequest prepare(Fields fields, List<Text> texts, RequestContext context) {
        ServedModel model = completions.model();
        model.requireName(fields.requireText("model"));
        UnservedFields.refuseInEmbeddings(fields);
        Pooling pooling = OutputFields.pooling(fields, Pooling.POOLING_LAST);
        boolean special = fields.flag("add_special_tokens", true);
        Truncation truncation = Truncation.parse(fields);
        List<TokenPrompt> prompts = new ArrayList<>();
        for (Text text : texts) {
            int[] ids =
                    truncation.of(
                            model.encode(text.field(), text.text(), special),
                            completions.context(),
                            Sampling.NO_TOKENS);
            if (ids.length == 0) {
                throw ApiError.invalid(
                        text.field(), text.field() + " is empty, it must have at least one token");
            }
            prompts.add(new TokenPrompt(ids, RequestedOutputs.pooled(pooling, ids.length)));
        }
        return completions.rank(prompts, RequestOptionFields.parse(fields, context), context);
    }

    /// A text and its name in error messages.
    private record Text(String field, String text) {}

    /// Reads one text or several, by the first of two names that is given.
    private static List<Text> texts(Fields fields, String name, String otherName) {
        String field = !fields.has(name) && fields.has(otherName) ? otherName : name;
        JsonNode value = fields.value(field);
        List<Text> texts =
                value.isArray()
                        ? fields.list(field, MAX_TEXTS, RankingApi::text)
                        : List.of(new Text(field, fields.requireText(field)));
        if (texts.isEmpty()) {
            throw ApiError.invalid(field, field + " is empty, give at least one text");
        }
        return texts;
    }

    private static Text text(String name, JsonNode value) {
        return new Text(name, Fields.text(name, value));
    }

    /// Reads a document: a text, or an object with one.
    private static Text document(String name, JsonNode value) {
        if (!value.isObject()) {
            return text(name, value);
        }
        Fields fields = Fields.object(name, value);
        return new Text(fields.name("text"), fields.requireText("text"));
    }

    /// Compares one text, or each of several, with another one.
    private static final class Scores extends PooledVectors {
        private final PreparedRequest request;
        private final int first;

        Scores(HttpExchange exchange, PreparedRequest request, int first, int all) {
            super(exchange, all, Integer.MAX_VALUE);
            this.request = request;
            this.first = first;
        }

        @Override
        ObjectNode toJson(TokenUsage usage) {
            ObjectNode response = request.head("list");
            ArrayNode data = response.putArray("data");
            for (int i = 0; i < count() - first; i++) {
                data.addObject()
                        .put("index", i)
                        .put("object", "score")
                        .put("score", cosine(first == 1 ? 0 : i, first + i));
            }
            putUsage(response, usage);
            return response;
        }
    }

    /// Orders documents by their closeness to the first text.
    private static final class Ranking extends PooledVectors {
        private final PreparedRequest request;
        private final List<String> documents;
        private final int top;
        private final boolean shown;

        Ranking(
                HttpExchange exchange,
                PreparedRequest request,
                List<String> documents,
                int top,
                boolean shown) {
            super(exchange, documents.size() + 1, Integer.MAX_VALUE);
            this.request = request;
            this.documents = documents;
            this.top = top;
            this.shown = shown;
        }

        @Override
        ObjectNode toJson(TokenUsage usage) {
            ObjectNode response =
                    Json.object().put("id", request.id()).put("model", request.model().name());
            putUsage(response, usage);
            ArrayNode results = response.putArray("results");
            IntStream.range(0, documents.size())
                    .boxed()
                    .sorted(Comparator.comparingDouble((Integer i) -> cosine(0, i + 1)).reversed())
                    .limit(top)
                    .forEach(
                            i -> {
                                ObjectNode result = results.addObject().put("index", i);
                                if (shown) {
                                    result.putObject("document").put("text", documents.get(i));
                                }
                                result.put("relevance_score", cosine(0, i + 1));
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
