// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

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
import dev.lockstep.coordinator.engine.CompletionInbox;
import io.netty.channel.Channel;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.function.Consumer;
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

    private final CompletionFactory completions;
    private final OpenRequests requests;
    private final Metrics metrics;
    private final TimelineApi timelines;
    private final RequestBodies bodies;
    private final Timeouts timeouts;
    private final ExecutorService threads;
    private final StoredResponsesApi storedResponses;
    private final Resumption resumption;
    private final ModelsApi models;
    private final Routes routes;

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
            ResponseSearch search,
            Resumption resumption,
            Timeouts timeouts,
            ExecutorService threads) {
        this.completions = completions;
        this.requests = requests;
        this.metrics = metrics;
        this.timelines = timelines;
        this.bodies = bodies;
        this.timeouts = timeouts;
        this.threads = threads;
        this.resumption = resumption;
        this.models = new ModelsApi(completions);
        var created = new ResponsesApi(completions, responses);
        this.storedResponses =
                new StoredResponsesApi(
                        responses,
                        new TakenResponses(
                                created,
                                responses,
                                search,
                                requests,
                                metrics,
                                threads,
                                timeouts.slowClient()),
                        timeouts.quiet());
        this.routes = new Routes(completions, models, created, readiness, metrics);
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
                        WireFormat.of(path, request.headers()));
        if (routes.acceptsPost(path) && request.method() == HttpMethod.POST) {
            var inbox = new CompletionInbox();
            Departure departure = resumption.departure(inbox, path, request.headers());
            onDisconnect(context, exchange, departure::left);
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
        Optional<String> resumed = Resumption.id(path);
        Runnable respond;
        if (resumed.isPresent() && request.method() == HttpMethod.GET) {
            var inbox = new CompletionInbox();
            Departure departure = resumption.departure(inbox);
            onDisconnect(context, exchange, departure::left);
            QueryParams query = context.queryParams();
            respond = () -> events(resumed.get(), query, request, exchange, inbox, departure);
        } else if (path.startsWith(StoredResponsesApi.PATH)) {
            var inbox = new CompletionInbox();
            Departure departure = resumption.departure(inbox);
            onDisconnect(context, exchange, departure::left);
            QueryParams query = context.queryParams();
            respond = () -> stored(path, query, request, exchange, inbox, departure);
        } else {
            respond = () -> get(path, request, exchange);
        }
        UnusedBody.discard(request, UnusedBody.MAX_BYTES, timeouts.body(), respond);
        return writer;
    }

    /// Prepares a response that goes on without a reader.
    Completion unread(ResumedResponse response, RequestContext context, CompletionInbox inbox) {
        String route = response.record().getRoute();
        HttpExchange nobody =
                HttpExchange.ofNobody(route, context.requestId(), timeouts.slowClient());
        return resumption.unread(response, context, routes, nobody, inbox);
    }

    private static void onDisconnect(
            ServiceRequestContext context, HttpExchange exchange, Runnable action) {
        Channel connection = context.log().partial().channel();
        if (connection != null) {
            exchange.onDisconnect(connection, action);
        }
    }

    /// Responds on another thread with the events of a response that was begun before.
    private void events(
            String id,
            QueryParams query,
            HttpRequest request,
            HttpExchange exchange,
            CompletionInbox inbox,
            Departure departure) {
        RequestContext context =
                completions.requestContext(exchange.requestId(), request.headers());
        threads.execute(
                () ->
                        run(
                                exchange,
                                inbox,
                                () ->
                                        resumption
                                                .events(
                                                        id,
                                                        request.headers(),
                                                        query,
                                                        context,
                                                        routes,
                                                        exchange,
                                                        inbox,
                                                        departure)
                                                .run()));
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
    ///
    /// @param inbox of a response that is taken over for this request
    private void stored(
            String path,
            QueryParams query,
            HttpRequest request,
            HttpExchange exchange,
            CompletionInbox inbox,
            Departure departure) {
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
                                        storedResponses.serve(
                                                method, path, query, context, exchange, inbox,
                                                departure)));
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
        Optional<Consumer<HttpExchange>> route = readRoute(path, request, exchange);
        if (route.isEmpty() && !routes.acceptsPost(path)) {
            throw ApiError.refused(404, "unknown_url", "there is nothing at " + Json.quoted(path));
        }
        String use = route.isEmpty() ? "POST" : "GET";
        String allowed = route.isEmpty() ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
        if (method == HttpMethod.OPTIONS) {
            return to -> to.empty(HttpStatus.NO_CONTENT, HttpHeaderNames.ALLOW, allowed);
        }
        // The server omits the body of a response to HEAD.
        boolean reads = method == HttpMethod.GET || method == HttpMethod.HEAD;
        if (route.isEmpty() || !reads) {
            exchange.addHeader(HttpHeaderNames.ALLOW, allowed);
            throw notPossible(method, path, use);
        }
        return route.get();
    }

    private Optional<Consumer<HttpExchange>> readRoute(
            String path, HttpRequest request, HttpExchange exchange) {
        if (path.startsWith(ModelsApi.PATH + "/")) {
            String name = decoded(path.substring(ModelsApi.PATH.length() + 1));
            return Optional.of(to -> to.json(200, models.model(name, to.wire())));
        }
        if (path.startsWith(Resumption.REQUESTS)) {
            RequestContext context =
                    completions.requestContext(exchange.requestId(), request.headers());
            return Optional.of(
                    to -> timeline(path.substring(Resumption.REQUESTS.length()), context, to));
        }
        return routes.read(path);
    }

    /// Returns the path by which a route is found: some clients write a `/` at its end.
    private static String withoutTrailingSlash(String path) {
        return path.length() > 1 && path.endsWith("/") && !path.equals(Resumption.REQUESTS)
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

    private void post(
            String path,
            HttpRequest request,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox)
            throws InterruptedException {
        Optional<Routes.Engine> engine = routes.engine(path);
        if (engine.isPresent()) {
            prepare(path, engine.get(), request, context, exchange, inbox).run();
            return;
        }
        ObjectNode response;
        try (RequestBodies.Body body = bodies.read(request)) {
            response = routes.computed(path).orElseThrow().apply(Json.parse(body.bytes()));
        }
        exchange.json(200, response);
    }

    /// Returns the completion; the memory of the body has been released by then.
    private Completion prepare(
            String path,
            Routes.Engine route,
            HttpRequest request,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox)
            throws InterruptedException {
        try (RequestBodies.Body body = bodies.read(request)) {
            return resumption.prepare(
                    path, body.bytes(), request.headers(), context, route, exchange, inbox);
        }
    }
}
