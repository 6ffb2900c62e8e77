// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.proto.v1.PositionOutputs;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/// One response of `/v1/responses` while it is being generated: to its client it is one object or a
/// stream of numbered events, and to others it is what [#snapshot] shows.
///
/// The sink's methods belong to the completion's thread; the others are safe for any.
final class RunningResponse implements ResponseSink {
    /// The code of the end of a response that its client cancels.
    static final String CANCELLED = "response_cancelled";

    private final PreparedRequest request;
    private final ResponsesRequest asked;
    private final ResponseOwner owner;
    private final byte[] input;
    private final HttpExchange exchange;
    private final CompletionInbox inbox;
    private final Responses responses;
    private final ResponseEvents events;
    private final ResponseLog log = new ResponseLog();
    private final CompletableFuture<Void> start = new CompletableFuture<>();
    private final CountDownLatch ended = new CountDownLatch(1);
    private Optional<RequestMemory.Reservation> memory = Optional.empty();
    private Finish finish = Finish.length();
    private boolean started;
    private boolean begun;
    private boolean muted;
    private ArrayNode logprobs = Json.array();
    private volatile ObjectNode snapshot;
    private volatile boolean forgotten;

    /// @param input all its items, encoded
    /// @param responses where clients find it
    RunningResponse(
            PreparedRequest request,
            ResponsesRequest asked,
            ResponseOwner owner,
            byte[] input,
            HttpExchange exchange,
            CompletionInbox inbox,
            Responses responses) {
        this.request = request;
        this.asked = asked;
        this.owner = owner;
        this.input = input;
        this.exchange = exchange;
        this.inbox = inbox;
        this.responses = responses;
        this.events = new ResponseEvents(request.id(), asked.encodeReasoning(), this::send);
        this.snapshot = response(asked.background() ? "queued" : "in_progress");
    }

    String id() {
        return request.id();
    }

    ResponseOwner owner() {
        return owner;
    }

    byte[] input() {
        return input;
    }

    /// Returns the items of [#input].
    ArrayNode inputItems() {
        return Json.array(input);
    }

    boolean background() {
        return asked.background();
    }

    /// Whether its client may repeat the request, by a key.
    boolean isRepeatable() {
        return request.client().filter(client -> !client.getKey().isEmpty()).isPresent();
    }

    /// Returns what is complete when clients find the response, or has the [ApiError] that kept it
    /// from starting.
    CompletableFuture<Void> start() {
        return start;
    }

    /// Returns the response as it is now; nobody changes the object.
    ObjectNode snapshot() {
        return snapshot;
    }

    /// Returns what happened to the response, and waits for what happens to it.
    ResponseLog log() {
        return log;
    }

    boolean encodesReasoning() {
        return asked.encodeReasoning();
    }

    /// Returns the cuts of the items of a response that has ended, see [ResponseCuts]; empty if it
    /// has not begun.
    Optional<ArrayNode> cuts() {
        return begun ? Optional.of(events.cuts()) : Optional.empty();
    }

    /// Returns the type of the event with which a response of this status ends.
    static String lastEvent(String status) {
        return switch (status) {
            case "completed", "incomplete" -> "response." + status;
            // There is no event for one that was cancelled.
            default -> "response.failed";
        };
    }

    /// Makes the response end, and not be stored then.
    void forget() {
        forgotten = true;
        cancel();
    }

    boolean isForgotten() {
        return forgotten;
    }

    /// Makes the response end as cancelled, unless it ends before.
    void cancel() {
        inbox.stop(
                ApiError.refused(ApiError.CLIENT_ENDED, CANCELLED, "the response was cancelled"));
    }

    /// Waits until the response has ended and is stored.
    ///
    /// @return whether it did
    boolean awaitEnd(Duration timeout) throws InterruptedException {
        return ended.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    @Override
    public boolean isNumbered() {
        return true;
    }

    @Override
    public void started() {
        // What the response repeats stays in memory until its end, as does the input.
        memory = Optional.of(responses.reserve(Json.bytes(asked.echo()), input));
        if (asked.store()) {
            responses.begin(this);
        }
        started = true;
        announce();
        start.complete(null);
    }

    /// With `background`, sends what a client gets at once; the response goes on without it.
    private void announce() {
        if (!asked.background()) {
            return;
        }
        exchange.detach();
        step(new ResponseStep.Status("response.created", snapshot));
        step(new ResponseStep.Status("response.queued", snapshot));
        if (!asked.stream()) {
            exchange.json(200, snapshot);
        }
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {}

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        begin();
        if (request.sampling().logprobs()) {
            // Only text has log-probabilities, and reasoning precedes it.
            delta.tokens().stream()
                    .skip(delta.reasoningTokens())
                    .filter(Delta.Shown::inText)
                    .forEach(
                            shown ->
                                    logprobs.add(ChatFormat.entry(request.model(), shown.token())));
        }
        if (!delta.events().isEmpty() || !logprobs.isEmpty()) {
            step(new ResponseStep.Part(logprobs, delta.events()));
            logprobs = Json.array();
        }
    }

    @Override
    public void finished(int choice, Finish end, TokenUsage usage) {
        begin();
        finish = end;
    }

    @Override
    public void quiet() {
        if (asked.stream() && !muted) {
            exchange.comment();
        }
    }

    @Override
    public void completed(TokenUsage usage) {
        boolean complete = finish.reason() != Finish.Reason.LENGTH;
        step(new ResponseStep.Closed(complete));
        ObjectNode response = ended(complete ? "completed" : "incomplete");
        if (!complete) {
            response.putObject("incomplete_details").put("reason", "max_output_tokens");
        }
        response.set("usage", usage(usage));
        snapshot = response;
        store();
        end(200);
        if (!asked.stream() && !asked.background()) {
            exchange.json(200, response);
        }
    }

    /// Stores the response, if it is to be stored; throws an [ApiError] if it cannot be.
    private void store() {
        memory.ifPresent(RequestMemory.Reservation::close);
        memory = Optional.empty();
        responses.end(this);
    }

    /// Ends the response with an error: a plain one while the client has got nothing.
    @Override
    public void failed(ApiError error) {
        if (!started) {
            start.completeExceptionally(error);
            exchange.fail(error);
            return;
        }
        if (error.goesOnElsewhere() && request.client().isPresent()) {
            leave(error);
            return;
        }
        boolean known = asked.background() || (asked.stream() && exchange.isStreaming());
        if (!begun && !asked.background()) {
            muted = !known;
            step(new ResponseStep.Status("response.created", snapshot));
        }
        events.abandon();
        boolean cancelled = error.status() == ApiError.CLIENT_ENDED;
        ObjectNode response = ended(cancelled ? "cancelled" : "failed");
        if (!cancelled) {
            response.putObject("error")
                    .put("code", errorCode(error))
                    .put("message", error.message());
        }
        snapshot = response;
        forgotten |= !known;
        try {
            store();
        } finally {
            end(error.status());
            if (!known) {
                exchange.fail(error);
            }
        }
    }

    /// Ends what this coordinator has of a response that another one may go on with.
    private void leave(ApiError error) {
        forgotten = true;
        store();
        log.end(new ResponseStep.Left(error));
        ended.countDown();
        if (asked.stream() && exchange.isStreaming()) {
            exchange.lastEvent(
                    ResponseEvents.ERROR, Json.bytes(events.left(error)), error.status());
        } else {
            exchange.fail(error);
        }
    }

    private void begin() {
        if (begun) {
            return;
        }
        begun = true;
        snapshot = response("in_progress");
        if (!asked.background()) {
            step(new ResponseStep.Status("response.created", snapshot));
        }
        step(new ResponseStep.Status("response.in_progress", snapshot));
    }

    /// Lets those who follow the response know a step, and its own client.
    private void step(ResponseStep step) {
        if (asked.store()) {
            log.add(step);
        }
        events.accept(step);
    }

    private void send(ObjectNode event) {
        if (!asked.stream() || muted) {
            return;
        }
        try {
            exchange.event(event.path("type").asText(), Json.bytes(event));
        } catch (ApiError e) {
            // A client that does not read ends a response that is only for it.
            muted = true;
            if (!asked.background()) {
                throw e;
            }
        }
    }

    /// @param status of a response without events
    private void end(int status) {
        String type = lastEvent(snapshot.path("status").asText());
        log.end(new ResponseStep.Status(type, snapshot));
        ended.countDown();
        if (asked.stream() && exchange.isStreaming()) {
            exchange.lastEvent(type, Json.bytes(events.status(type, snapshot)), status);
        }
    }

    private ObjectNode response(String status) {
        ObjectNode response =
                request.head("response")
                        .put("status", status)
                        .putNull("error")
                        .putNull("incomplete_details");
        // The name that responses have.
        response.remove("created");
        response.put("created_at", request.created());
        response.setAll(asked.echo());
        response.put("temperature", request.sampling().params().getTemperature());
        response.put("top_p", request.sampling().params().getTopP());
        response.putArray("output");
        return response;
    }

    private ObjectNode ended(String status) {
        ObjectNode response = response(status);
        response.put("completed_at", System.currentTimeMillis() / 1000);
        response.set("output", events.items());
        return response;
    }

    /// Of the prompt, what was not in the cache is computed and cached.
    private static ObjectNode usage(TokenUsage tokens) {
        ObjectNode usage = Json.object().put("input_tokens", tokens.promptTokens());
        usage.putObject("input_tokens_details")
                .put("cached_tokens", tokens.cachedTokens())
                .put("cache_write_tokens", tokens.promptTokens() - tokens.cachedTokens());
        usage.put("output_tokens", tokens.completionTokens());
        usage.putObject("output_tokens_details").put("reasoning_tokens", tokens.reasoningTokens());
        return usage.put("total_tokens", tokens.promptTokens() + tokens.completionTokens());
    }

    /// Returns the code among those that responses have.
    private static String errorCode(ApiError error) {
        if (error.status() == 429) {
            return "rate_limit_exceeded";
        }
        return error.status() == 400 ? "invalid_prompt" : "server_error";
    }
}
