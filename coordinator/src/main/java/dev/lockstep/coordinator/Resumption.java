// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import com.linecorp.armeria.common.QueryParams;
import com.linecorp.armeria.common.RequestHeaders;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.proto.v1.InferenceRequest;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/// What lets a client come back: it goes on with a stream by the id of its last event, and repeats
/// a request by its idempotency key, at any coordinator.
final class Resumption {
    /// The route of a request over gRPC.
    static final String RPC = "Inference.Generate";

    /// The beginning of the paths of one request.
    static final String REQUESTS = "/v1/requests/";

    private static final String EVENTS = "/events";
    private static final String LAST_EVENT_ID = "last-event-id";

    /// The routes whose streams have ids.
    private static final Set<String> STREAMS = Set.of("/v1/chat/completions", "/v1/completions");

    /// The further routes where a key has an effect. Others compute the same again.
    private static final Set<String> REPEATABLE =
            Set.of("/v1/messages", ResponsesApi.PATH, InfillApi.PATH, "/api/chat", "/api/generate");

    private final ResponseSearch search;
    private final Responses memory;
    private final Metrics metrics;
    private final Duration window;

    /// @param memory for bodies that are read again
    /// @param window how long a request goes on whose client has left; zero is off
    Resumption(ResponseSearch search, Responses memory, Metrics metrics, Duration window) {
        this.search = search;
        this.memory = memory;
        this.metrics = metrics;
        this.window = window;
    }

    /// Returns the id of the response whose events a path names.
    static Optional<String> id(String path) {
        return path.startsWith(REQUESTS)
                        && path.endsWith(EVENTS)
                        && path.length() > REQUESTS.length() + EVENTS.length()
                ? Optional.of(path.substring(REQUESTS.length(), path.length() - EVENTS.length()))
                : Optional.empty();
    }

    /// Returns what stops a completion whose client leaves.
    Departure departure(CompletionInbox inbox) {
        return new Departure(inbox, window);
    }

    /// As the other one, for a request that is sent.
    ///
    /// @param route the path of an HTTP request, or [#RPC]
    Departure departure(CompletionInbox inbox, String route, RequestHeaders headers) {
        boolean repeatable =
                route.equals(RPC) || STREAMS.contains(route) || REPEATABLE.contains(route);
        Departure departure = departure(inbox);
        departure.repeatable(repeatable && IdempotencyKey.isIn(headers));
        return departure;
    }

    /// Prepares what goes on with the events of a response.
    ///
    /// @param id of the response, in the path
    Completion events(
            String id,
            RequestHeaders headers,
            QueryParams query,
            RequestContext context,
            Routes routes,
            HttpExchange exchange,
            CompletionInbox inbox,
            Departure departure)
            throws InterruptedException {
        ResumedResponse response = search.require(context.owner(), from(id, headers, query));
        departure.repeatable(response.isRepeatable());
        String route = response.record().getRoute();
        if (route.equals(ResponsesApi.PATH)) {
            throw ApiError.refused(
                    400,
                    "not_resumable",
                    "the request was made at "
                            + route
                            + ", whose events have numbers; go on with GET "
                            + StoredResponsesApi.PATH
                            + "{id}?stream=true&starting_after=NUMBER");
        }
        if (!STREAMS.contains(route)) {
            throw ApiError.refused(
                    400,
                    "not_resumable",
                    "the request was made at "
                            + route
                            + ", whose events have no ids; repeat it there, with its idempotency-key");
        }
        return resumed(response, context, routes.engine(route).orElseThrow(), exchange, inbox);
    }

    private static EventPlace from(String id, RequestHeaders headers, QueryParams query) {
        String last = headers.get(LAST_EVENT_ID, "");
        String from = query.get("from", "");
        String field = last.isEmpty() ? "from" : LAST_EVENT_ID;
        String given = last.isEmpty() ? from : last;
        if (given.isEmpty()) {
            return EventPlace.parse("the id in the path", id);
        }
        // The part behind the response's id is enough.
        String whole = given.equals(id) || given.contains("/") ? given : id + "/" + given;
        EventPlace place = EventPlace.parse(field, whole);
        if (!place.response().equals(id)) {
            throw ApiError.invalid(
                    field,
                    field + " is \"" + Json.quoted(given) + "\", an event of another response");
        }
        return place;
    }

    /// Prepares a request that came with a body: a new one, or one that repeats another.
    Completion prepare(
            String path,
            byte[] body,
            RequestHeaders headers,
            RequestContext context,
            Routes.Engine route,
            HttpExchange exchange,
            CompletionInbox inbox)
            throws InterruptedException {
        Optional<RequestOrigin> origin = origin(path, ByteString.copyFrom(body), headers);
        if (origin.isPresent()) {
            Optional<ResumedResponse> before = repeated(origin.get(), context);
            if (before.isPresent()) {
                // Memory for its body is reserved: the two are equal.
                metrics.countResumed();
                return route.prepare(
                        Json.parse(body), context.resuming(before.get()), exchange, inbox);
            }
        }
        return route.prepare(
                Json.parse(body), origin.map(context::with).orElse(context), exchange, inbox);
    }

    private Optional<RequestOrigin> origin(String path, ByteString body, RequestHeaders headers) {
        boolean isRpc = path.equals(RPC);
        boolean stream = isRpc || STREAMS.contains(path) || path.equals(ResponsesApi.PATH);
        if (window.isZero() || !(stream || REPEATABLE.contains(path))) {
            return Optional.empty();
        }
        Optional<String> key = IdempotencyKey.of(headers);
        if (body.size() > RequestOrigin.MAX_BYTES) {
            if (key.isPresent()) {
                throw ApiError.invalid(
                        IdempotencyKey.NAME,
                        IdempotencyKey.NAME
                                + " is given with a body of "
                                + body.size()
                                + " bytes, at most "
                                + RequestOrigin.MAX_BYTES
                                + " can be repeated");
            }
            return Optional.empty();
        }
        return stream || key.isPresent()
                ? Optional.of(new RequestOrigin(path, body, key.orElse("")))
                : Optional.empty();
    }

    /// Returns the response to an earlier request with the same key.
    private Optional<ResumedResponse> repeated(RequestOrigin origin, RequestContext context)
            throws InterruptedException {
        if (!origin.isRepeatable()) {
            return Optional.empty();
        }
        Optional<ResumedResponse> before = search.find(context.owner(), origin.key());
        if (before.isPresent()
                && !(before.get().record().getRoute().equals(origin.route())
                        && before.get().record().getBody().equals(origin.body()))) {
            throw ApiError.refused(
                    422,
                    "idempotency_key_reused",
                    IdempotencyKey.NAME + " is that of another request, with another body");
        }
        return before;
    }

    /// Prepares a response that goes on without a reader.
    Completion unread(
            ResumedResponse response,
            RequestContext context,
            Routes routes,
            HttpExchange nobody,
            CompletionInbox inbox) {
        String route = response.record().getRoute();
        return prepare(response, context, routes.engine(route).orElseThrow(), nobody, inbox);
    }

    private Completion resumed(
            ResumedResponse response,
            RequestContext context,
            Routes.Engine route,
            HttpExchange exchange,
            CompletionInbox inbox) {
        metrics.countResumed();
        return prepare(response, context, route, exchange, inbox);
    }

    private Completion prepare(
            ResumedResponse response,
            RequestContext context,
            Routes.Engine route,
            HttpExchange exchange,
            CompletionInbox inbox) {
        byte[] body = response.record().getBody().toByteArray();
        try (RequestMemory.Reservation _ = memory.reserve(body, new byte[0])) {
            return route.prepare(Json.parse(body), context.resuming(response), exchange, inbox);
        }
    }

    /// Returns the context of a gRPC call: of a new request, or of one that repeats another.
    RequestContext ofCall(InferenceRequest message, RequestHeaders headers, RequestContext context)
            throws InterruptedException {
        Optional<RequestOrigin> origin = origin(RPC, message.toByteString(), headers);
        if (origin.isEmpty()) {
            return context;
        }
        Optional<ResumedResponse> before = repeated(origin.get(), context);
        before.ifPresent(_ -> metrics.countResumed());
        return before.map(context::resuming).orElseGet(() -> context.with(origin.get()));
    }

    /// Returns the response that goes on after a place over gRPC.
    ResumedResponse ofCall(String after, RequestContext context, Departure departure)
            throws InterruptedException {
        ResumedResponse response =
                search.require(context.owner(), EventPlace.parse("after", after));
        if (!response.record().getRoute().equals(RPC)) {
            throw ApiError.refused(
                    400, "not_resumable", "the request was made over HTTP; resume it there");
        }
        departure.repeatable(response.isRepeatable());
        metrics.countResumed();
        return response;
    }

    static InferenceRequest message(ResumedResponse response) {
        try {
            return InferenceRequest.parseFrom(response.record().getBody());
        } catch (InvalidProtocolBufferException e) {
            throw new IllegalStateException("the message of a kept request cannot be read", e);
        }
    }
}
