// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Version;
import dev.lockstep.coordinator.engine.CompletionInbox;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/// What is served at which path, apart from paths that contain a name or an id.
final class Routes {
    /// What a server says that is asked for nothing; clients of Ollama look whether one answers.
    private static final String GREETING = "Lockstep is running\n";

    private static final String PLAIN = "text/plain; charset=utf-8";

    private final Map<String, Engine> engine;
    private final Map<String, Function<Fields, ObjectNode>> computed;
    private final Map<String, Consumer<HttpExchange>> read;

    /// A route that runs in the engine: checks a body and returns the completion, which does not
    /// refer to the body.
    @FunctionalInterface
    interface Engine {
        Completion prepare(
                Fields fields,
                RequestContext context,
                HttpExchange exchange,
                CompletionInbox inbox);
    }

    Routes(
            CompletionFactory completions,
            ModelsApi models,
            ResponsesApi created,
            Readiness readiness,
            Metrics metrics) {
        var generate = new GenerateApi(completions);
        var text = new TokenizerApi(completions);
        var embeddings = new EmbeddingsApi(completions);
        var score = new ScoreApi(completions);
        var messages = new MessagesApi(completions);
        var ollama = new OllamaApi(completions);
        var ollamaVectors = new OllamaEmbeddings(completions);
        var ranking = new RankingApi(completions);
        engine =
                Map.ofEntries(
                        engine("/v1/chat/completions", generate::chat),
                        engine("/v1/completions", generate::complete),
                        engine("/v1/messages", messages::message),
                        engine(InfillApi.PATH, new InfillApi(completions)::infill),
                        engine("/api/chat", ollama::chat),
                        engine("/api/generate", ollama::generate),
                        engine("/api/embed", ollamaVectors::embed),
                        engine("/api/embeddings", ollamaVectors::embedOne),
                        engine("/v1/embeddings", embeddings::embed),
                        engine("/score", score::score),
                        engine(ResponsesApi.PATH, created::create),
                        engine("/v1/score", ranking::score),
                        engine("/v1/rerank", ranking::rerank),
                        engine("/v2/rerank", ranking::rerank),
                        engine("/rerank", ranking::rerank));
        computed =
                Map.ofEntries(
                        computed("/v1/messages/count_tokens", messages::countTokens),
                        computed("/api/show", ollama.models()::show),
                        computed("/tokenize", text::tokenize),
                        computed("/detokenize", text::detokenize),
                        computed("/apply-template", text::applyTemplate));
        read =
                Map.ofEntries(
                        read("/", to -> to.text(PLAIN, GREETING.getBytes(StandardCharsets.UTF_8))),
                        read(ModelsApi.PATH, to -> to.json(200, models.list(to.wire()))),
                        read("/api/tags", to -> to.json(200, ollama.models().tags())),
                        read("/api/ps", to -> to.json(200, ollama.models().running())),
                        read("/api/version", to -> to.json(200, ollama.version())),
                        read("/metrics", to -> to.text(Metrics.CONTENT_TYPE, metrics.text())),
                        read(
                                "/version",
                                to -> to.json(200, Json.object().put("version", Version.TEXT))),
                        read("/tokenizer_info", to -> to.json(200, models.tokenizer())),
                        read("/livez", Routes::respondOk),
                        read("/readyz", to -> ready(readiness, to)),
                        read("/health", to -> ready(readiness, to)));
    }

    private static Map.Entry<String, Engine> engine(String path, Engine route) {
        return Map.entry(path, route);
    }

    private static Map.Entry<String, Function<Fields, ObjectNode>> computed(
            String path, Function<Fields, ObjectNode> route) {
        return Map.entry(path, route);
    }

    private static Map.Entry<String, Consumer<HttpExchange>> read(
            String path, Consumer<HttpExchange> route) {
        return Map.entry(path, route);
    }

    private static void ready(Readiness readiness, HttpExchange exchange) {
        String obstacle = readiness.publicObstacle();
        if (!obstacle.isEmpty()) {
            throw ApiError.unavailable("not_ready", obstacle);
        }
        respondOk(exchange);
    }

    private static void respondOk(HttpExchange exchange) {
        exchange.json(200, Json.object().put("status", "ok"));
    }

    /// Returns the POST route of a path that runs in the engine.
    Optional<Engine> engine(String path) {
        return Optional.ofNullable(engine.get(path));
    }

    /// Returns the POST route of a path whose response is computed from the body.
    Optional<Function<Fields, ObjectNode>> computed(String path) {
        return Optional.ofNullable(computed.get(path));
    }

    boolean acceptsPost(String path) {
        return engine.containsKey(path) || computed.containsKey(path);
    }

    /// Returns the GET route of a path, which responds at once.
    Optional<Consumer<HttpExchange>> read(String path) {
        return Optional.ofNullable(read.get(path));
    }
}
