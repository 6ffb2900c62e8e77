// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.ByteString;
import dev.lockstep.coordinator.engine.CompletionInbox;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Creates OpenAI's responses: reads a request as a chat, and writes the answer as items.
final class ResponsesApi {
    static final String PATH = "/v1/responses";

    private static final String ID = "resp_";
    private static final String TOO_LONG = "context_length_exceeded";

    private final CompletionFactory completions;
    private final Responses responses;

    ResponsesApi(CompletionFactory completions, Responses responses) {
        this.completions = completions;
        this.responses = responses;
    }

    /// A response, and what generates it.
    record Created(RunningResponse response, Completion completion) {}

    /// Checks a body of `POST /v1/responses`. The completion does not refer to the body.
    Completion create(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        return response(fields, context, exchange, inbox).completion();
    }

    /// As [#create].
    Created response(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        OutputFields.refuseGrpcOnly(fields);
        ResponsesRequest asked = ResponsesRequest.parse(fields);
        Optional<byte[]> referred =
                context.resumed()
                        .map(resumed -> resumed.record().getItems().toByteArray())
                        .filter(bytes -> bytes.length > 0);
        if (referred.isPresent()) {
            try (RequestMemory.Reservation _ = responses.reserve(referred.get(), referred.get())) {
                ReferredItems items = ReferredItems.parse(referred.get());
                return start(asked.with(items.input()), items.earlier(), context, exchange, inbox);
            }
        }
        if (asked.previous().isEmpty()) {
            return start(asked, Json.array(), context, exchange, inbox);
        }
        try (Responses.Held previous = previous(context.owner(), asked.previous().get())) {
            return start(asked, previous.response().items(), context, exchange, inbox);
        }
    }

    private Responses.Held previous(ResponseOwner owner, String id) {
        if (responses.running(owner, id).isPresent()) {
            throw ApiError.invalid(
                    "previous_response_id",
                    "previous_response_id names a response that is still being generated");
        }
        return responses
                .stored(owner, id)
                .orElseThrow(
                        () ->
                                ApiError.invalid(
                                        "previous_response_id",
                                        "previous_response_not_found",
                                        "previous_response_id is \""
                                                + Json.quoted(id)
                                                + "\", and this coordinator stores no such response"));
    }

    /// @param earlier the items of the response that this one continues
    private Created start(
            ResponsesRequest asked,
            ArrayNode earlier,
            RequestContext context,
            HttpExchange exchange,
            CompletionInbox inbox) {
        try (var references = new ItemReferences(responses, context.owner(), earlier)) {
            ResponsesRequest whole = asked.with(references.resolve(asked.items()));
            boolean referring = !earlier.isEmpty() || !whole.items().equals(asked.items());
            PreparedRequest request =
                    prepare(whole, earlier, kept(whole, earlier, referring, context));
            return start(
                    isResumable(whole, context) ? request : request.endingWithItsClient(),
                    whole,
                    earlier,
                    context.owner(),
                    exchange,
                    inbox);
        }
    }

    /// Returns the context of a request, with what another coordinator needs to go on with it.
    ///
    /// @param referring whether its body does not have all items
    private static RequestContext kept(
            ResponsesRequest asked, ArrayNode earlier, boolean referring, RequestContext context) {
        if (context.resumed().isPresent() || context.origin().isEmpty()) {
            return context;
        }
        ByteString items =
                referring ? new ReferredItems(earlier, asked.items()).bytes() : ByteString.EMPTY;
        return context.with(context.origin().get().of(asked.store(), items));
    }

    /// A client can go on with a stream, with what it has given a key, and with what runs in the
    /// background.
    private static boolean isResumable(ResponsesRequest asked, RequestContext context) {
        return (asked.store() && (asked.stream() || asked.background()))
                || context.origin().filter(RequestOrigin::isRepeatable).isPresent();
    }

    private Created start(
            PreparedRequest request,
            ResponsesRequest asked,
            ArrayNode earlier,
            ResponseOwner owner,
            HttpExchange exchange,
            CompletionInbox inbox) {
        byte[] input = {};
        if (asked.store()) {
            ResponseItems.name(asked.items(), request.id());
            asked.items().forEach(earlier::add);
            input = Json.bytes(earlier);
        }
        var response =
                new RunningResponse(
                        request, asked.withoutItems(), owner, input, exchange, inbox, responses);
        return new Created(response, completions.completion(request, inbox, response));
    }

    /// Renders and tokenizes the items, without the oldest if they exceed the context and the
    /// request allows it.
    private PreparedRequest prepare(
            ResponsesRequest asked, ArrayNode earlier, RequestContext context) {
        Optional<PreparedRequest> whole = fitting(asked, earlier, 0, context);
        List<Integer> turns = turns(asked, earlier);
        if (whole.isPresent() || !asked.truncate() || turns.isEmpty()) {
            return whole.orElseGet(() -> prepare(asked, earlier, 0, context));
        }
        // The first turn that fits: a later one leaves more out.
        int low = 0;
        int high = turns.size() - 1;
        while (low < high) {
            int middle = (low + high) / 2;
            if (fitting(asked, earlier, turns.get(middle), context).isPresent()) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        return prepare(asked, earlier, turns.get(low), context);
    }

    /// Returns where messages of the user begin, from the second item on.
    private static List<Integer> turns(ResponsesRequest asked, ArrayNode earlier) {
        List<JsonNode> items = new ArrayList<>();
        earlier.forEach(items::add);
        items.addAll(asked.items());
        List<Integer> turns = new ArrayList<>();
        for (int i = 1; i < items.size(); i++) {
            if (items.get(i).path("role").asText().equals("user")) {
                turns.add(i);
            }
        }
        return turns;
    }

    /// Returns the request unless it is too long.
    private Optional<PreparedRequest> fitting(
            ResponsesRequest asked, ArrayNode earlier, int omitted, RequestContext context) {
        try {
            return Optional.of(prepare(asked, earlier, omitted, context));
        } catch (ApiError e) {
            if (e.code().equals(TOO_LONG)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    /// @param omitted the number of items that are left out
    private PreparedRequest prepare(
            ResponsesRequest asked, ArrayNode earlier, int omitted, RequestContext context) {
        ObjectNode chat = asked.chat().deepCopy();
        var conversation = new ItemMessages(chat);
        asked.instructions().ifPresent(conversation::addInstructions);
        conversation.addEarlier(earlier, omitted);
        conversation.addInput(asked.items(), Math.max(0, omitted - earlier.size()));
        return new ChatNames(conversation)
                .translate(
                        () ->
                                completions.prepare(
                                        ChatRequest.parse(
                                                new Fields(chat), completions.model(), context),
                                        ID,
                                        context));
    }
}
