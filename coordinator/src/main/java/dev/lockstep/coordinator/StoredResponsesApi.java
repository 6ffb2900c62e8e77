// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.linecorp.armeria.common.HttpMethod;
import com.linecorp.armeria.common.QueryParams;
import dev.lockstep.coordinator.engine.CompletionInbox;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;

/// The routes below `/v1/responses/`: retrieve, delete, cancel and the items of the input.
final class StoredResponsesApi {
    static final String PATH = ResponsesApi.PATH + "/";

    private static final String CANCEL = "/cancel";
    private static final String STARTING_AFTER = "starting_after";
    private static final String INPUT_ITEMS = "/input_items";
    private static final int DEFAULT_ITEMS = 20;
    private static final int MAX_ITEMS = 100;

    /// Much longer than the engine needs to end a request.
    private static final Duration END_TIMEOUT = Duration.ofSeconds(30);

    private static final int MAX_INCLUDED = 64;

    private final Responses responses;
    private final TakenResponses taken;
    private final Duration quiet;

    /// @param taken those that other coordinators began
    /// @param quiet the silence in a stream after which something is sent that means nothing
    StoredResponsesApi(Responses responses, TakenResponses taken, Duration quiet) {
        this.responses = responses;
        this.taken = taken;
        this.quiet = quiet;
    }

    /// Returns the methods of a path below [#PATH], for the header `Allow`.
    static String allowed(String path) {
        if (path.endsWith(CANCEL)) {
            return "POST, OPTIONS";
        }
        return path.endsWith(INPUT_ITEMS) ? "GET, HEAD, OPTIONS" : "GET, HEAD, DELETE, OPTIONS";
    }

    /// Responds at a route whose method is allowed; may block.
    ///
    /// @param inbox of a response that is taken over for this request
    /// @param departure of the client from what is taken over
    void serve(
            HttpMethod method,
            String path,
            QueryParams query,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox,
            Departure departure)
            throws InterruptedException {
        String rest = path.substring(PATH.length());
        ResponseOwner owner = context.owner();
        if (rest.endsWith(CANCEL)) {
            var place =
                    new Place(
                            owner, without(rest, CANCEL), context, this::requireBackground, inbox);
            exchange.json(200, answer(place, running -> cancel(place, running), this::cancelled));
        } else if (rest.endsWith(INPUT_ITEMS)) {
            requireKnownIncludes(query);
            var place =
                    new Place(
                            owner,
                            without(rest, INPUT_ITEMS),
                            context,
                            StoredResponsesApi::requireUnread,
                            inbox);
            ArrayNode items =
                    answer(place, RunningResponse::inputItems, stored -> stored.response().input());
            exchange.json(200, list(items, query));
        } else if (method == HttpMethod.DELETE) {
            exchange.json(200, delete(owner, rest));
        } else {
            retrieve(method, rest, query, context, exchange, inbox, departure);
        }
    }

    /// Where a response is looked for.
    ///
    /// @param condition on which it is taken over from another coordinator
    /// @param inbox of what is taken over
    private record Place(
            ResponseOwner owner,
            String id,
            RequestContext context,
            TakenResponses.Condition condition,
            CompletionInbox inbox) {}

    /// What is answered about a response.
    @FunctionalInterface
    private interface Answer<R, T> {
        T of(R response) throws InterruptedException;
    }

    /// Answers about a response that runs here or is stored here, or else that another coordinator
    /// began, which then runs here.
    private <T> T answer(
            Place place, Answer<RunningResponse, T> running, Answer<Responses.Held, T> stored)
            throws InterruptedException {
        Optional<RunningResponse> here = responses.running(place.owner(), place.id());
        if (here.isPresent()) {
            return running.of(here.get());
        }
        Optional<T> before = stored(place, stored);
        if (before.isPresent()) {
            return before.get();
        }
        Optional<RunningResponse> begun =
                taken.take(place.id(), place.context(), place.condition(), place.inbox());
        if (begun.isPresent()) {
            return running.of(begun.get());
        }
        // Another client may have had it taken over, and it has ended since.
        return stored(place, stored).orElseThrow(() -> notFound(place.id()));
    }

    private <T> Optional<T> stored(Place place, Answer<Responses.Held, T> answer)
            throws InterruptedException {
        Optional<Responses.Held> held = responses.stored(place.owner(), place.id());
        if (held.isEmpty()) {
            return Optional.empty();
        }
        try (Responses.Held open = held.get()) {
            return Optional.of(answer.of(open));
        }
    }

    /// Refuses to take a response from a coordinator that generates it.
    private static void requireUnread(ResumedResponse response) {
        if (response.read()) {
            throw ApiError.refused(
                    409,
                    "response_elsewhere",
                    "the response "
                            + Json.quoted(response.id())
                            + " is being generated by another coordinator; with stream=true this one takes it over");
        }
    }

    private static String without(String text, String ending) {
        return text.substring(0, text.length() - ending.length());
    }

    private void retrieve(
            HttpMethod method,
            String id,
            QueryParams query,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox,
            Departure departure)
            throws InterruptedException {
        requireKnownIncludes(query);
        boolean stream = flag(query, "stream");
        int after = startingAfter(query, stream);
        boolean follows = stream && method != HttpMethod.HEAD;
        TakenResponses.Condition condition = follows ? _ -> {} : StoredResponsesApi::requireUnread;
        var place = new Place(context.owner(), id, context, condition, inbox);
        if (!follows) {
            ObjectNode response =
                    answer(
                            place,
                            RunningResponse::snapshot,
                            stored -> stored.response().response());
            exchange.json(200, response);
            return;
        }
        var replay = new ResponseReplay(exchange, after);
        boolean _ =
                answer(
                        place,
                        running -> {
                            if (!running.background()) {
                                // Ends what was taken over for this client.
                                departure.repeatable(running.isRepeatable());
                            }
                            replay.follow(running, quiet);
                            return true;
                        },
                        stored -> {
                            replay.send(stored.response());
                            return true;
                        });
    }

    /// Refuses to include what is not known. What is known is there if it was asked for when the
    /// response was created.
    private static void requireKnownIncludes(QueryParams query) {
        List<String> included = new ArrayList<>(query.getAll("include"));
        included.addAll(query.getAll("include[]"));
        if (included.size() > MAX_INCLUDED) {
            throw ApiError.invalid(
                    "include",
                    "include is given "
                            + included.size()
                            + " times, at most "
                            + MAX_INCLUDED
                            + " are accepted");
        }
        included.forEach(
                each ->
                        ResponsesRequest.includable(
                                "include", JsonNodeFactory.instance.textNode(each)));
    }

    private static boolean flag(QueryParams query, String field) {
        String value = query.get(field, "false");
        if (!value.equals("true") && !value.equals("false")) {
            throw ApiError.invalid(
                    field, field + " is \"" + Json.quoted(value) + "\", it must be true or false");
        }
        return value.equals("true");
    }

    private static int startingAfter(QueryParams query, boolean stream) {
        if (!query.contains(STARTING_AFTER)) {
            return -1;
        }
        String number = query.get(STARTING_AFTER, "");
        if (!stream) {
            throw ApiError.invalid(
                    STARTING_AFTER, STARTING_AFTER + " is given, then stream must be true");
        }
        if (!number.matches("[0-9]{1,9}")) {
            throw ApiError.invalid(
                    STARTING_AFTER,
                    STARTING_AFTER
                            + " is \""
                            + Json.quoted(number)
                            + "\", it must be the number of an event");
        }
        return Integer.parseInt(number);
    }

    private ObjectNode delete(ResponseOwner owner, String id) throws InterruptedException {
        Optional<RunningResponse> running = responses.running(owner, id);
        if (running.isPresent()) {
            running.get().forget();
            awaitEnd(running.get());
        }
        boolean stored = responses.remove(owner, id);
        boolean kept = taken.forget(owner, id);
        if (!stored && !kept && running.isEmpty()) {
            throw notFound(id);
        }
        return Json.object().put("id", id).put("object", "response").put("deleted", true);
    }

    private ObjectNode cancel(Place place, RunningResponse running) throws InterruptedException {
        requireBackground(place.id(), running.background());
        running.cancel();
        awaitEnd(running);
        // No other coordinator goes on with it.
        boolean _ = taken.forget(place.owner(), place.id());
        return running.snapshot();
    }

    /// Returns a response that has ended before.
    private ObjectNode cancelled(Responses.Held stored) {
        ObjectNode response = stored.response().response();
        requireBackground(stored.response().id(), response.path("background").asBoolean());
        return response;
    }

    private void requireBackground(ResumedResponse response) {
        byte[] body = response.record().getBody().toByteArray();
        try (RequestMemory.Reservation _ = responses.reserve(body, new byte[0])) {
            requireBackground(response.id(), Json.parse(body).flag("background", false));
        }
    }

    private static void requireBackground(String id, boolean background) {
        if (!background) {
            throw ApiError.invalid(
                    "response_id",
                    "the response "
                            + Json.quoted(id)
                            + " was created without background, and only one with it can be cancelled");
        }
    }

    private static void awaitEnd(RunningResponse response) throws InterruptedException {
        if (!response.awaitEnd(END_TIMEOUT)) {
            throw ApiError.unavailable(
                    "still_running",
                    "the response has not ended within " + END_TIMEOUT.toSeconds() + " s");
        }
    }

    private static ObjectNode list(ArrayNode input, QueryParams query) {
        List<JsonNode> items = new ArrayList<>();
        input.forEach(items::add);
        String order = query.get("order", "desc");
        if (!order.equals("asc") && !order.equals("desc")) {
            throw ApiError.invalid(
                    "order", "order is \"" + Json.quoted(order) + "\", it must be asc or desc");
        }
        if (order.equals("desc")) {
            Collections.reverse(items);
        }
        int from = query.contains("after") ? after(items, query.get("after", "")) : 0;
        int to = Math.min(items.size(), from + limit(query));
        ObjectNode list = Json.object().put("object", "list");
        ArrayNode data = list.putArray("data");
        items.subList(from, to).forEach(data::add);
        return list.put("has_more", to < items.size())
                .put("first_id", data.path(0).path("id").asText())
                .put("last_id", data.path(data.size() - 1).path("id").asText());
    }

    private static int after(List<JsonNode> items, String id) {
        for (int i = 0; i < items.size(); i++) {
            if (items.get(i).path("id").asText().equals(id)) {
                return i + 1;
            }
        }
        throw ApiError.invalid(
                "after", "after is \"" + Json.quoted(id) + "\", which is not an item of the input");
    }

    private static int limit(QueryParams query) {
        String text = query.get("limit", Integer.toString(DEFAULT_ITEMS));
        int limit = text.matches("[0-9]{1,3}") ? Integer.parseInt(text) : 0;
        if (limit < 1 || limit > MAX_ITEMS) {
            throw ApiError.invalid(
                    "limit",
                    "limit is \""
                            + Json.quoted(text)
                            + "\", it must lie in [1, "
                            + MAX_ITEMS
                            + "]");
        }
        return limit;
    }

    private static ApiError notFound(String id) {
        return ApiError.refused(
                404,
                "response_not_found",
                "there is no response "
                        + Json.quoted(id)
                        + ": this coordinator does not store it, and no scheduler keeps it");
    }
}
