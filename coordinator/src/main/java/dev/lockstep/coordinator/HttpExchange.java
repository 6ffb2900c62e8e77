// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.linecorp.armeria.common.HttpData;
import com.linecorp.armeria.common.HttpHeaderNames;
import com.linecorp.armeria.common.HttpHeaders;
import com.linecorp.armeria.common.HttpMethod;
import com.linecorp.armeria.common.HttpObject;
import com.linecorp.armeria.common.HttpResponse;
import com.linecorp.armeria.common.HttpResponseWriter;
import com.linecorp.armeria.common.HttpStatus;
import com.linecorp.armeria.common.MediaType;
import com.linecorp.armeria.common.RequestHeaders;
import com.linecorp.armeria.common.ResponseHeaders;
import com.linecorp.armeria.common.ResponseHeadersBuilder;
import com.linecorp.armeria.common.stream.ClosedStreamException;
import dev.lockstep.cluster.process.Randomness;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Pattern;

/// One HTTP response: a JSON object, or events. Written by the request's virtual thread, which
/// blocks here while the client does not read.
final class HttpExchange {
    static final String REQUEST_ID = "x-request-id";

    /// The header of a response of Anthropic's API.
    static final String ANTHROPIC_REQUEST_ID = "request-id";

    private static final Pattern GIVEN_ID = Pattern.compile("[!-~]{1,128}");

    /// What is sent in a stream of events that would be silent.
    static final String COMMENT = ": keep-alive\n\n";

    /// Events between two checks whether the client keeps up; at most twice as many are unread.
    private static final int EVENTS_PER_CHECK = 16;

    /// The time for a client to read the error before its connection is aborted.
    private static final long ABORT_DELAY_SECONDS = 5;

    private final HttpResponseWriter writer;
    private final String requestId;
    private final Duration slowClient;
    private final WireFormat wire;
    private CompletableFuture<Void> consumed = CompletableFuture.completedFuture(null);
    private int eventCount;
    private volatile boolean streaming;
    private volatile boolean detached;
    private int status = HttpStatus.OK.code();
    private HttpHeaders extraHeaders = HttpHeaders.of();

    HttpExchange(
            HttpResponseWriter writer, String requestId, Duration slowClient, WireFormat wire) {
        this.writer = writer;
        this.requestId = requestId;
        this.slowClient = slowClient;
        this.wire = wire;
    }

    /// Returns an exchange that nobody reads.
    static HttpExchange ofNobody(String route, String requestId, Duration slowClient) {
        HttpResponseWriter writer = HttpResponse.streaming();
        var _ = writer.subscribe();
        return new HttpExchange(
                writer,
                requestId,
                slowClient,
                WireFormat.of(route, RequestHeaders.of(HttpMethod.POST, route)));
    }

    /// Returns the id of a request: the client's if it sent one.
    static String requestId(RequestHeaders headers, Randomness randomness) {
        String given = headers.get(REQUEST_ID, "");
        return GIVEN_ID.matcher(given).matches() ? given : randomness.nextIncarnation();
    }

    WireFormat wire() {
        return wire;
    }

    String requestId() {
        return requestId;
    }

    /// Returns the status that was sent, or that of an error within the events.
    int status() {
        return status;
    }

    /// Adds a header to the response.
    void addHeader(CharSequence name, String value) {
        extraHeaders = extraHeaders.toBuilder().add(name, value).build();
    }

    /// Runs `action` as soon as the client disconnects before the end of the response.
    ///
    /// The server keeps an HTTP/1 response open for another second after its connection was closed,
    /// so the connection itself is watched until the response ends.
    void onDisconnect(Channel connection, Runnable disconnected) {
        Runnable action =
                () -> {
                    if (!detached) {
                        disconnected.run();
                    }
                };
        ChannelFutureListener closed = ignored -> action.run();
        connection.closeFuture().addListener(closed);
        var _ =
                writer.whenComplete()
                        .whenComplete(
                                (_, failure) -> {
                                    connection.closeFuture().removeListener(closed);
                                    if (failure != null) {
                                        action.run();
                                    }
                                });
    }

    /// Lets the request go on when its client has disconnected.
    void detach() {
        detached = true;
    }

    /// Returns false when the response is over or its client has left.
    boolean isOpen() {
        return writer.isOpen();
    }

    /// Returns whether a stream of events has begun.
    boolean isStreaming() {
        return streaming;
    }

    /// Sends the whole response as JSON.
    void json(int responseStatus, JsonNode body) {
        whole(responseStatus, MediaType.JSON_UTF_8, Json.bytes(body));
    }

    /// Sends the whole response in another format.
    void text(String contentType, byte[] body) {
        whole(HttpStatus.OK.code(), MediaType.parse(contentType), body);
    }

    /// Sends a response without a body.
    void empty(HttpStatus responseStatus, CharSequence headerName, String headerValue) {
        addHeader(headerName, headerValue);
        status = responseStatus.code();
        write(headers(responseStatus.code()).build());
        writer.close();
    }

    private void whole(int responseStatus, MediaType type, byte[] body) {
        status = responseStatus;
        write(headers(responseStatus).contentType(type).contentLength(body.length).build());
        write(HttpData.wrap(body));
        writer.close();
    }

    void event(byte[] json) {
        event("", json);
    }

    /// Sends the next part of a stream, with the id by which its client can go on after it.
    void identifiedEvent(String id, byte[] json) {
        send(wire.framed(id, "", json));
    }

    /// Sends the next part of a stream.
    ///
    /// @param name of the event, or empty
    void event(String name, byte[] json) {
        send(wire.framed("", name, json));
    }

    private void send(HttpData part) {
        begin();
        write(part);
        if (++eventCount % EVENTS_PER_CHECK == 0) {
            awaitReader();
        }
    }

    /// Sends the last part of a stream, and ends the response.
    ///
    /// @param lastStatus that of a response without parts
    void lastEvent(String name, byte[] json, int lastStatus) {
        begin();
        status = lastStatus;
        write(wire.framed("", name, json));
        end();
        abortLater();
    }

    /// Sends what means nothing, if the format has that, so that the connection is not silent.
    void comment() {
        HttpData silence = wire.silence();
        if (!silence.isEmpty()) {
            begin();
            write(silence);
        }
    }

    void endEvents() {
        begin();
        end();
    }

    private void end() {
        HttpData end = wire.end();
        if (!end.isEmpty()) {
            write(end);
        }
        writer.close();
    }

    /// Ends the response with an error: a plain one, or one within the events.
    void fail(ApiError error) {
        status = wire.status(error);
        if (!streaming) {
            ResponseHeadersBuilder headers = headers(status);
            if (!error.retryAfter().isZero()) {
                headers.add(HttpHeaderNames.RETRY_AFTER, Long.toString(error.retryAfterSeconds()));
            }
            byte[] body = Json.bytes(wire.error(error, requestId));
            write(headers.contentType(MediaType.JSON_UTF_8).contentLength(body.length).build());
            write(HttpData.wrap(body));
            writer.close();
            return;
        }
        write(wire.framedError(error, requestId));
        end();
        abortLater();
    }

    /// Aborts the connection of a client that does not read: it must not hold it.
    private void abortLater() {
        CompletableFuture.delayedExecutor(ABORT_DELAY_SECONDS, TimeUnit.SECONDS)
                .execute(writer::abort);
    }

    private void begin() {
        if (!streaming) {
            streaming = true;
            write(
                    headers(HttpStatus.OK.code())
                            .contentType(wire.streamType())
                            .add(HttpHeaderNames.CACHE_CONTROL, "no-cache")
                            .add("x-accel-buffering", "no")
                            .build());
        }
    }

    private ResponseHeadersBuilder headers(int responseStatus) {
        ResponseHeadersBuilder headers =
                ResponseHeaders.builder(HttpStatus.valueOf(responseStatus))
                        .add(extraHeaders)
                        .add(REQUEST_ID, requestId);
        return wire == WireFormat.ANTHROPIC
                ? headers.add(ANTHROPIC_REQUEST_ID, requestId)
                : headers;
    }

    private void write(HttpObject object) {
        try {
            writer.write(object);
        } catch (ClosedStreamException e) {
            // The client has disconnected, and `onDisconnect` cancels the request.
        }
    }

    private void awaitReader() {
        try {
            consumed.get(slowClient.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw ApiError.slowReader();
        } catch (ExecutionException e) {
            // The client has disconnected, which the inbox reports.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiError.internal("the request was interrupted");
        }
        consumed = writer.whenConsumed();
    }
}
