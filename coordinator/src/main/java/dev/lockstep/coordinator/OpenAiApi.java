// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.linecorp.armeria.common.HttpHeaderNames;
import com.linecorp.armeria.common.HttpMethod;
import com.linecorp.armeria.common.HttpRequest;
import com.linecorp.armeria.common.HttpResponse;
import com.linecorp.armeria.common.HttpResponseWriter;
import com.linecorp.armeria.common.HttpStatus;
import com.linecorp.armeria.common.QueryParams;
import com.linecorp.armeria.server.HttpService;
import com.linecorp.armeria.server.ServiceRequestContext;
import dev.lockstep.cluster.process.Version;
import dev.lockstep.coordinator.engine.CompletionInbox;
import io.netty.channel.Channel;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// All HTTP routes: OpenAI's, Anthropic's, Ollama's, the probes, and the tokenizer's; other paths
/// get an error.
///
/// A POST request gets a virtual thread, which reads and checks the body and runs until the
/// response is complete, and so does a GET request that needs the schedulers; the other GET
/// requests are served at once, from memory.
final class OpenAiApi implements HttpService {
    private static final Logger LOG = LogManager.getLogger(OpenAiApi.class);
    private static final String MODELS = "/v1/models";
    private static final String REQUESTS = "/v1/requests/";

    private final CompletionFactory completions;
    private final Readiness readiness;
    private final OpenRequests requests;
    private final Metrics metrics;
    private final TimelineApi timelines;
    private final RequestBodies bodies;
    private final Timeouts timeouts;
    private final ExecutorService threads;
    private final StoredResponsesApi storedResponses;
    private final Map<String, EngineRoute> engineRoutes;
    private final Map<String, Function<Fields, ObjectNode>> computedRoutes;
    private final Map<String, Consumer<HttpExchange>> getRoutes;

    /// A route that runs in the engine: checks a body and returns the completion, which does not
    /// refer to the body.
    @FunctionalInterface
    private interface EngineRoute {
        Completion prepare(
                Fields fields,
                RequestContext context,
                HttpExchange exchange,
                CompletionInbox inbox);
    }

    /// A step of a request that may block, and may throw an [ApiError].
    @FunctionalInterface
    private interface Work {
        void run() throws InterruptedException;
    }

    /// @param threads starts a thread for each request
    OpenAiApi(
            CompletionFactory completions,
            Readiness readiness,
            OpenRequests requests,
            Metrics metrics,
            TimelineApi timelines,
            RequestBodies bodies,
            Responses responses,
            Timeouts timeouts,
            ExecutorService threads) {
        this.completions = completions;
        this.readiness = readiness;
        this.requests = requests;
        this.metrics = metrics;
        this.timelines = timelines;
        this.bodies = bodies;
        this.timeouts = timeouts;
        this.threads = threads;
        var generate = new GenerateApi(completions);
        var text = new TokenizerApi(completions);
        var embeddings = new EmbeddingsApi(completions);
        var score = new ScoreApi(completions);
        var created = new ResponsesApi(completions, responses);
        storedResponses = new StoredResponsesApi(responses);
        var messages = new MessagesApi(completions);
        var ollama = new OllamaApi(completions);
        var ollamaVectors = new OllamaEmbeddings(completions);
        var ranking = new RankingApi(completions);
        engineRoutes =
                Map.ofEntries(
                        route("/v1/chat/completions", generate::chat),
                        route("/v1/completions", generate::complete),
                        route("/v1/messages", messages::message),
                        route("/api/chat", ollama::chat),
                        route("/api/generate", ollama::generate),
                        route("/api/embed", ollamaVectors::embed),
                        route("/api/embeddings", ollamaVectors::embedOne),
                        route("/v1/embeddings", embeddings::embed),
                        route("/score", score::score),
                        route(ResponsesApi.PATH, created::create),
                        route("/v1/score", ranking::score),
                        route("/v1/rerank", ranking::rerank));
        computedRoutes =
                Map.of(
                        "/v1/messages/count_tokens",
                        messages::countTokens,
                        "/api/show",
                        ollama.models()::show,
                        "/tokenize",
                        text::tokenize,
                        "/detokenize",
                        text::detokenize,
                        "/apply-template",
                        text::applyTemplate);
        getRoutes =
                Map.of(
                        MODELS,
                        exchange -> exchange.json(200, models()),
                        "/api/tags",
                        exchange -> exchange.json(200, ollama.models().tags()),
                        "/api/ps",
                        exchange -> exchange.json(200, ollama.models().running()),
                        "/api/version",
                        exchange -> exchange.json(200, ollama.version()),
                        "/metrics",
                        exchange -> exchange.text(Metrics.CONTENT_TYPE, metrics.text()),
                        "/version",
                        exchange -> exchange.json(200, Json.object().put("version", Version.TEXT)),
                        "/tokenizer_info",
                        exchange -> exchange.json(200, tokenizerInfo()),
                        "/livez",
                        exchange -> exchange.json(200, Json.object().put("status", "ok")),
                        "/readyz",
                        this::ready,
                        "/health",
                        this::ready);
    }

    private static Map.Entry<String, EngineRoute> route(String path, EngineRoute route) {
        return Map.entry(path, route);
    }

    @Override
    public HttpResponse serve(ServiceRequestContext context, HttpRequest request) {
        HttpResponseWriter writer = HttpResponse.streaming();
        String path = withoutTrailingSlash(context.path());
        var exchange =
                new HttpExchange(
                        writer,
                        HttpExchange.requestId(request.headers(), completions.randomness()),
                        timeouts.slowClient(),
                        WireFormat.of(path));
        if (isPostRoute(path) && request.method() == HttpMethod.POST) {
            var inbox = new CompletionInbox();
            Channel connection = context.log().partial().channel();
            if (connection != null) {
                exchange.onDisconnect(connection, () -> inbox.stop(ApiError.clientDisconnected()));
            }
            RequestContext requestContext =
                    completions.requestContext(exchange.requestId(), request.headers());
            threads.execute(
                    () -> {
                        run(
                                exchange,
                                inbox,
                                () -> post(path, request, requestContext, exchange, inbox));
                        metrics.countRequest(exchange.status());
                    });
            return writer;
        }
        Runnable respond =
                path.startsWith(StoredResponsesApi.PATH)
                        ? () -> stored(path, context.queryParams(), request, exchange)
                        : () -> get(path, request, exchange);
        UnusedBody.discard(request, UnusedBody.MAX_BYTES, timeouts.body(), respond);
        return writer;
    }

    private void get(String path, HttpRequest request, HttpExchange exchange) {
        try {
            getRoute(path, request, exchange).accept(exchange);
        } catch (ApiError e) {
            exchange.fail(e);
        } catch (RuntimeException | StackOverflowError e) {
            fail(exchange, e);
        }
    }

    /// Responds with a stored response on another thread, which reads it.
    private void stored(
            String path, QueryParams query, HttpRequest request, HttpExchange exchange) {
        String allowed = StoredResponsesApi.allowed(path);
        HttpMethod method = request.method();
        if (method == HttpMethod.OPTIONS) {
            exchange.empty(HttpStatus.NO_CONTENT, HttpHeaderNames.ALLOW, allowed);
            return;
        }
        if (!List.of(allowed.split(", ")).contains(method.name())) {
            exchange.addHeader(HttpHeaderNames.ALLOW, allowed);
            exchange.fail(notPossible(method, path, allowed));
            return;
        }
        RequestContext context =
                completions.requestContext(exchange.requestId(), request.headers());
        threads.execute(
                () ->
                        run(
                                exchange,
                                new CompletionInbox(),
                                () ->
                                        exchange.json(
                                                200,
                                                storedResponses.serve(
                                                        method, path, query, context))));
    }

    private static ApiError notPossible(HttpMethod method, String path, String use) {
        return ApiError.refused(
                405,
                "method_not_allowed",
                method + " is not possible at " + Json.quoted(path) + ", use " + use);
    }

    private static void fail(HttpExchange exchange, Throwable e) {
        exchange.fail(RequestFault.logged("request " + exchange.requestId(), e));
    }

    private Consumer<HttpExchange> getRoute(
            String path, HttpRequest request, HttpExchange exchange) {
        HttpMethod method = request.method();
        Consumer<HttpExchange> route = getRoutes.get(path);
        if (path.startsWith(MODELS + "/")) {
            route = to -> to.json(200, model(decoded(path.substring(MODELS.length() + 1))));
        } else if (path.startsWith(REQUESTS)) {
            RequestContext context =
                    completions.requestContext(exchange.requestId(), request.headers());
            route = to -> timeline(path.substring(REQUESTS.length()), context, to);
        }
        if (route == null && !isPostRoute(path)) {
            throw ApiError.refused(404, "unknown_url", "there is nothing at " + Json.quoted(path));
        }
        String use = route == null ? "POST" : "GET";
        String allowed = route == null ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
        if (method == HttpMethod.OPTIONS) {
            return to -> to.empty(HttpStatus.NO_CONTENT, HttpHeaderNames.ALLOW, allowed);
        }
        // The server omits the body of a response to HEAD.
        boolean reads = method == HttpMethod.GET || method == HttpMethod.HEAD;
        if (route == null || !reads) {
            exchange.addHeader(HttpHeaderNames.ALLOW, allowed);
            throw notPossible(method, path, use);
        }
        return route;
    }

    /// Returns the path by which a route is found: some clients write a `/` at its end.
    private static String withoutTrailingSlash(String path) {
        return path.length() > 1 && path.endsWith("/") && !path.equals(REQUESTS)
                ? path.substring(0, path.length() - 1)
                : path;
    }

    /// Decodes a name that may contain percent-encoded characters, such as `/` or a space; `+`
    /// stands for itself.
    private static String decoded(String name) {
        try {
            return URLDecoder.decode(name.replace("+", "%2B"), StandardCharsets.UTF_8);
        } catch (IllegalArgumentException e) {
            throw ApiError.refused(
                    400,
                    "bad_request",
                    "the model's name "
                            + Json.quoted(name)
                            + " in the path is not valid percent-encoding");
        }
    }

    /// Responds with a timeline on another thread, which waits for the schedulers.
    private void timeline(String id, RequestContext context, HttpExchange exchange) {
        threads.execute(
                () ->
                        run(
                                exchange,
                                new CompletionInbox(),
                                () -> exchange.json(200, timelines.json(id, context.tenant()))));
    }

    /// Runs the work as an open request; an exception becomes an error response.
    private void run(HttpExchange exchange, CompletionInbox inbox, Work work) {
        try {
            requests.enter(inbox);
        } catch (ApiError e) {
            exchange.fail(e);
            return;
        }
        try {
            work.run();
        } catch (ApiError e) {
            LOG.debug("request {} refused: {}", exchange.requestId(), e.code());
            exchange.fail(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            exchange.fail(ApiError.internal("the request was interrupted"));
        } catch (RuntimeException | StackOverflowError e) {
            fail(exchange, e);
        } finally {
            requests.leave(inbox);
        }
    }

    private boolean isPostRoute(String path) {
        return engineRoutes.containsKey(path) || computedRoutes.containsKey(path);
    }

    private void post(
            String path,
            HttpRequest request,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox)
            throws InterruptedException {
        EngineRoute route = engineRoutes.get(path);
        if (route == null) {
            exchange.json(200, compute(path, request));
        } else {
            prepare(route, request, context, exchange, inbox).run();
        }
    }

    private ObjectNode compute(String path, HttpRequest request) throws InterruptedException {
        Function<Fields, ObjectNode> route = Objects.requireNonNull(computedRoutes.get(path));
        try (RequestBodies.Body body = bodies.read(request)) {
            return route.apply(Json.parse(body.bytes()));
        }
    }

    /// Returns the completion; the memory of the body has been released by then.
    private Completion prepare(
            EngineRoute route,
            HttpRequest request,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox)
            throws InterruptedException {
        try (RequestBodies.Body body = bodies.read(request)) {
            return route.prepare(Json.parse(body.bytes()), context, exchange, inbox);
        }
    }

    private void ready(HttpExchange exchange) {
        String obstacle = readiness.publicObstacle();
        if (!obstacle.isEmpty()) {
            throw ApiError.unavailable("not_ready", obstacle);
        }
        exchange.json(200, Json.object().put("status", "ok"));
    }

    private ObjectNode tokenizerInfo() {
        ServedModel model = completions.model();
        if (model.tokenizer().isEmpty()) {
            throw ApiError.refused(
                    404, "no_tokenizer", "the model " + model.name() + " has no tokenizer");
        }
        return model.tokenizerInfo();
    }

    private ObjectNode models() {
        ObjectNode list = Json.object().put("object", "list");
        ArrayNode data = list.putArray("data");
        completions.model().names().forEach(name -> data.add(model(name)));
        return list;
    }

    private ObjectNode model(String name) {
        ServedModel model = completions.model();
        model.requireName(name);
        ObjectNode node =
                Json.object()
                        .put("id", name)
                        .put("object", "model")
                        .put("created", model.created())
                        .put("owned_by", "lockstep")
                        .put("root", model.name())
                        .putNull("parent")
                        .put("max_model_len", completions.context());
        node.putArray("permission");
        return node;
    }
}
