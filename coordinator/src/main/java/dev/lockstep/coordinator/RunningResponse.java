// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.proto.v1.PositionOutputs;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/// One response of `/v1/responses` while it is being generated: to its client it is one object or a
/// stream of numbered events, and to others it is what [#snapshot] shows.
///
/// The sink's methods belong to the completion's thread; the others are safe for any.
final class RunningResponse implements ResponseSink {
    private final PreparedRequest request;
    private final ResponsesRequest asked;
    private final ResponseOwner owner;
    private final byte[] input;
    private final HttpExchange exchange;
    private final CompletionInbox inbox;
    private final Consumer<RunningResponse> atEnd;
    private final ResponseOutput output;
    private final CountDownLatch ended = new CountDownLatch(1);
    private Finish finish = Finish.length();
    private boolean begun;
    private boolean muted;
    private int sequence;
    private volatile ObjectNode snapshot;
    private volatile boolean forgotten;

    /// @param input all its items, encoded
    /// @param atEnd stores the response, if it is to be stored; throws an [ApiError] if it cannot
    ///   be
    RunningResponse(
            PreparedRequest request,
            ResponsesRequest asked,
            ResponseOwner owner,
            byte[] input,
            HttpExchange exchange,
            CompletionInbox inbox,
            Randomness randomness,
            Consumer<RunningResponse> atEnd) {
        this.request = request;
        this.asked = asked;
        this.owner = owner;
        this.input = input;
        this.exchange = exchange;
        this.inbox = inbox;
        this.atEnd = atEnd;
        this.output = new ResponseOutput(randomness, this::send);
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

    /// Returns the response as it is now; nobody changes the object.
    ObjectNode snapshot() {
        return snapshot;
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
                ApiError.refused(
                        ApiError.CLIENT_ENDED, "response_cancelled", "the response was cancelled"));
    }

    /// Waits until the response has ended and is stored.
    ///
    /// @return whether it did
    boolean awaitEnd(Duration timeout) throws InterruptedException {
        return ended.await(timeout.toNanos(), TimeUnit.NANOSECONDS);
    }

    /// With `background`, sends what a client gets at once; the response goes on without it.
    void announce() {
        if (!asked.background()) {
            return;
        }
        exchange.detach();
        if (asked.stream()) {
            sendResponse("response.created");
            sendResponse("response.queued");
        } else {
            exchange.json(200, snapshot);
        }
    }

    @Override
    public void outputs(int choice, PositionOutputs outputs) {}

    @Override
    public void delta(int choice, Delta delta, TokenUsage usage) {
        begin();
        if (request.sampling().logprobs()) {
            delta.inText()
                    .forEach(
                            shown ->
                                    output.addLogprobs(
                                            ChatFormat.entry(request.model(), shown.token())));
        }
        delta.events().forEach(output::accept);
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
        ArrayNode items = output.end(complete);
        ObjectNode response = ended(complete ? "completed" : "incomplete", items);
        if (!complete) {
            response.putObject("incomplete_details").put("reason", "max_output_tokens");
        }
        response.set("usage", usage(usage));
        snapshot = response;
        atEnd.accept(this);
        ended.countDown();
        if (asked.stream()) {
            sendLast(complete ? "response.completed" : "response.incomplete", 200);
        } else if (!asked.background()) {
            exchange.json(200, response);
        }
    }

    /// Ends the response with an error: a plain one while the client has got nothing.
    @Override
    public void failed(ApiError error) {
        boolean known = asked.background() || (asked.stream() && exchange.isStreaming());
        if (known) {
            if (!begun && !asked.background()) {
                sendResponse("response.created");
            }
            muted = true;
            boolean cancelled = error.status() == ApiError.CLIENT_ENDED;
            ObjectNode response = ended(cancelled ? "cancelled" : "failed", output.end(false));
            if (!cancelled) {
                response.putObject("error")
                        .put("code", errorCode(error))
                        .put("message", error.message());
            }
            snapshot = response;
        } else {
            forgotten = true;
        }
        try {
            atEnd.accept(this);
        } finally {
            ended.countDown();
            if (!known) {
                exchange.fail(error);
            } else if (asked.stream()) {
                sendLast("response.failed", error.status());
            }
        }
    }

    private void begin() {
        if (begun) {
            return;
        }
        begun = true;
        snapshot = response("in_progress");
        if (!asked.background()) {
            sendResponse("response.created");
        }
        sendResponse("response.in_progress");
    }

    private void sendResponse(String type) {
        send(event(type));
    }

    private ObjectNode event(String type) {
        ObjectNode event = Json.object().put("type", type);
        event.set("response", snapshot);
        return event;
    }

    private void send(ObjectNode event) {
        if (!asked.stream() || muted) {
            return;
        }
        event.put("sequence_number", sequence++);
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

    private void sendLast(String type, int status) {
        ObjectNode event = event(type).put("sequence_number", sequence++);
        exchange.lastEvent(type, Json.bytes(event), status);
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

    private ObjectNode ended(String status, ArrayNode items) {
        ObjectNode response = response(status);
        response.put("completed_at", System.currentTimeMillis() / 1000);
        response.set("output", items);
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
