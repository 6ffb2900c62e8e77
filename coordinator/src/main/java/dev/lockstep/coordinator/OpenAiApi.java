package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.linecorp.armeria.common.HttpMethod;
import com.linecorp.armeria.common.HttpRequest;
import com.linecorp.armeria.common.HttpResponse;
import com.linecorp.armeria.common.HttpResponseWriter;
import com.linecorp.armeria.common.RequestHeaders;
import com.linecorp.armeria.server.HttpService;
import com.linecorp.armeria.server.ServiceRequestContext;
import dev.lockstep.coordinator.engine.CompletionInbox;
import io.netty.channel.Channel;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.regex.Pattern;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Every HTTP route, and what is said to all others: OpenAI's, the probes, and the tokenizer's.
///
/// A request that carries a body gets a virtual thread, which reads it, checks it and stays until
/// the answer is out, and so does one that schedulers must be asked about; the others are answered
/// at once, from what is known.
final class OpenAiApi implements HttpService {
    private static final Logger LOG = LogManager.getLogger(OpenAiApi.class);
    private static final Pattern REQUEST_ID = Pattern.compile("[!-~]{1,128}");
    private static final String MODELS = "/v1/models";
    private static final String REQUESTS = "/v1/requests/";
    private static final Duration SOON = Duration.ofSeconds(1);

    private final CompletionFactory completions;
    private final Readiness readiness;
    private final OpenRequests requests;
    private final Outcomes outcomes;
    private final TimelineApi timelines;
    private final RequestBodies bodies;
    private final Timeouts timeouts;
    private final ExecutorService threads;
    private final Map<String, EngineRoute> engineRoutes;
    private final Map<String, Function<Fields, ObjectNode>> computedRoutes;
    private final Map<String, Consumer<HttpExchange>> asked;

    /// A route that runs in the engine: checks a body and returns the completion, which needs the
    /// body no more.
    @FunctionalInterface
    private interface EngineRoute {
        Completion prepare(
                Fields fields,
                RequestContext context,
                HttpExchange exchange,
                CompletionInbox inbox);
    }

    /// What may wait, and end with an [ApiError].
    @FunctionalInterface
    private interface Work {
        void run() throws InterruptedException;
    }

    /// @param threads one for each request
    OpenAiApi(
            CompletionFactory completions,
            Readiness readiness,
            OpenRequests requests,
            Outcomes outcomes,
            Metrics metrics,
            TimelineApi timelines,
            RequestBodies bodies,
            Timeouts timeouts,
            ExecutorService threads) {
        this.completions = completions;
        this.readiness = readiness;
        this.requests = requests;
        this.outcomes = outcomes;
        this.timelines = timelines;
        this.bodies = bodies;
        this.timeouts = timeouts;
        this.threads = threads;
        GenerateApi generate = new GenerateApi(completions);
        TokenizerApi text = new TokenizerApi(completions);
        EmbeddingsApi embeddings = new EmbeddingsApi(completions);
        ScoreApi score = new ScoreApi(completions);
        engineRoutes =
                Map.of(
                        "/v1/chat/completions",
                        generate::chat,
                        "/v1/completions",
                        generate::complete,
                        "/v1/embeddings",
                        embeddings::embed,
                        "/score",
                        score::score);
        computedRoutes =
                Map.of(
                        "/tokenize",
                        text::tokenize,
                        "/detokenize",
                        text::detokenize,
                        "/apply-template",
                        text::applyTemplate);
        asked =
                Map.of(
                        MODELS,
                        exchange -> exchange.json(200, models()),
                        "/metrics",
                        exchange -> exchange.text(Metrics.CONTENT_TYPE, metrics.text()),
                        "/livez",
                        exchange -> exchange.json(200, Json.object().put("status", "ok")),
                        "/readyz",
                        this::ready,
                        "/health",
                        this::ready);
    }

    @Override
    public HttpResponse serve(ServiceRequestContext context, HttpRequest request) {
        HttpResponseWriter writer = HttpResponse.streaming();
        String path = context.path();
        HttpExchange exchange =
                new HttpExchange(writer, requestId(request.headers()), timeouts.slowClient());
        if (isPosted(path) && request.method() == HttpMethod.POST) {
            CompletionInbox inbox = new CompletionInbox();
            Channel connection = context.log().partial().channel();
            if (connection != null) {
                exchange.onGone(connection, () -> inbox.stop(clientGone()));
            }
            RequestContext requestContext =
                    completions.requestContext(
                            exchange.requestId(), request.headers().getAll(RequestContext.TENANT));
            threads.execute(
                    () -> {
                        answer(
                                exchange,
                                inbox,
                                () -> post(path, request, requestContext, exchange, inbox));
                        outcomes.add(exchange.status());
                    });
            return writer;
        }
        // A client that is still sending takes an early answer for a broken stream.
        var _ =
                request.subscribe()
                        .whenComplete((_, _) -> answerAsked(path, request.method(), exchange));
        return writer;
    }

    private void answerAsked(String path, HttpMethod method, HttpExchange exchange) {
        try {
            askedFor(path, method, exchange).accept(exchange);
        } catch (ApiError e) {
            exchange.fail(e);
        } catch (RuntimeException e) {
            fail(exchange, e);
        }
    }

    private static void fail(HttpExchange exchange, RuntimeException e) {
        LOG.error("request {} failed", exchange.requestId(), e);
        exchange.fail(ApiError.internal("the request failed; the coordinator's log says why"));
    }

    private Consumer<HttpExchange> askedFor(String path, HttpMethod method, HttpExchange exchange) {
        Consumer<HttpExchange> answer = asked.get(path);
        if (path.startsWith(MODELS + "/")) {
            String name = decoded(path.substring(MODELS.length() + 1));
            answer = to -> to.json(200, model(name));
        } else if (path.startsWith(REQUESTS)) {
            answer = to -> describe(path.substring(REQUESTS.length()), to);
        }
        if (answer == null && !isPosted(path)) {
            throw ApiError.refused(404, "unknown_url", "there is nothing at " + Json.quoted(path));
        }
        String allowed = answer == null ? "POST" : "GET";
        // The server leaves the body of an answer to HEAD away.
        boolean asks = method == HttpMethod.GET || method == HttpMethod.HEAD;
        if (answer == null || !asks) {
            exchange.addHeader("allow", allowed);
            throw ApiError.refused(
                    405,
                    "method_not_allowed",
                    method + " is not possible at " + path + ", use " + allowed);
        }
        return answer;
    }

    /// A name with `/` or a space in it comes percent-encoded. A `+` is one.
    private static String decoded(String name) {
        return URLDecoder.decode(name.replace("+", "%2B"), StandardCharsets.UTF_8);
    }

    /// Schedulers have to be waited for.
    private void describe(String id, HttpExchange exchange) {
        threads.execute(
                () ->
                        answer(
                                exchange,
                                new CompletionInbox(),
                                () -> exchange.json(200, timelines.of(id))));
    }

    /// Does the work while it counts as an open request; what it throws is answered.
    private void answer(HttpExchange exchange, CompletionInbox inbox, Work work) {
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
        } catch (RuntimeException e) {
            fail(exchange, e);
        } finally {
            requests.leave(inbox);
        }
    }

    private boolean isPosted(String path) {
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

    /// The memory of the body is free when this returns.
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
        String obstacle = readiness.obstacle();
        if (!obstacle.isEmpty()) {
            throw ApiError.unavailable("not_ready", obstacle, SOON);
        }
        exchange.json(200, Json.object().put("status", "ok"));
    }

    private ObjectNode models() {
        ObjectNode list = Json.object().put("object", "list");
        list.putArray("data").add(model(completions.model().name()));
        return list;
    }

    private ObjectNode model(String name) {
        ServedModel model = completions.model();
        model.requireName(name);
        ObjectNode node =
                Json.object()
                        .put("id", model.name())
                        .put("object", "model")
                        .put("created", model.created())
                        .put("owned_by", "lockstep")
                        .put("root", model.name())
                        .putNull("parent")
                        .put("max_model_len", completions.context());
        node.putArray("permission");
        return node;
    }

    private String requestId(RequestHeaders headers) {
        String given = headers.get(HttpExchange.REQUEST_ID, "");
        return REQUEST_ID.matcher(given).matches()
                ? given
                : completions.randomness().nextIncarnation();
    }

    private static ApiError clientGone() {
        return ApiError.refused(499, "client_gone", "the client is gone");
    }
}
