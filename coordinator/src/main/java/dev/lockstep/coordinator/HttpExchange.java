package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.linecorp.armeria.common.HttpData;
import com.linecorp.armeria.common.HttpHeaderNames;
import com.linecorp.armeria.common.HttpHeaders;
import com.linecorp.armeria.common.HttpObject;
import com.linecorp.armeria.common.HttpResponseWriter;
import com.linecorp.armeria.common.HttpStatus;
import com.linecorp.armeria.common.MediaType;
import com.linecorp.armeria.common.ResponseHeaders;
import com.linecorp.armeria.common.ResponseHeadersBuilder;
import com.linecorp.armeria.common.stream.ClosedStreamException;
import io.netty.channel.Channel;
import io.netty.channel.ChannelFutureListener;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// One HTTP answer on its way out: a JSON object, or events. Written by the request's virtual
/// thread, which waits here while the client does not read.
final class HttpExchange {
    static final String REQUEST_ID = "x-request-id";

    private static final HttpData DONE = HttpData.ofUtf8("data: [DONE]\n\n");
    private static final HttpData COMMENT = HttpData.ofUtf8(": still here\n\n");
    private static final byte[] EVENT_BEGIN = "data: ".getBytes(StandardCharsets.UTF_8);
    private static final byte[] EVENT_END = "\n\n".getBytes(StandardCharsets.UTF_8);

    /// Events between two looks at whether the client keeps up; at most twice as many are unread.
    private static final int LOOK_EVERY = 16;

    /// How long a client that was given up may still take for the error.
    private static final long LAST_WORDS_SECONDS = 5;

    private final HttpResponseWriter writer;
    private final String requestId;
    private final Duration slowClient;
    private CompletableFuture<Void> consumed = CompletableFuture.completedFuture(null);
    private int eventCount;
    private boolean streaming;
    private int status = HttpStatus.OK.code();
    private HttpHeaders further = HttpHeaders.of();

    HttpExchange(HttpResponseWriter writer, String requestId, Duration slowClient) {
        this.writer = writer;
        this.requestId = requestId;
        this.slowClient = slowClient;
    }

    String requestId() {
        return requestId;
    }

    /// How the request ended: the status that was sent, or that of an error within the events.
    int status() {
        return status;
    }

    /// Adds a header to whatever is answered.
    void addHeader(String name, String value) {
        further = further.toBuilder().add(name, value).build();
    }

    /// Runs `action` as soon as the client is gone before it had everything.
    ///
    /// The server gives an HTTP/1 response another second after its connection was closed, so the
    /// connection itself is watched, for as long as the answer takes.
    void onGone(Channel connection, Runnable action) {
        ChannelFutureListener closed = ignored -> action.run();
        connection.closeFuture().addListener(closed);
        var _ =
                writer.whenComplete()
                        .whenComplete(
                                (_, gone) -> {
                                    connection.closeFuture().removeListener(closed);
                                    if (gone != null) {
                                        action.run();
                                    }
                                });
    }

    /// The whole answer.
    void json(int answerStatus, JsonNode body) {
        whole(answerStatus, MediaType.JSON_UTF_8, Json.bytes(body));
    }

    /// The whole answer, in another format.
    void text(String contentType, byte[] body) {
        whole(HttpStatus.OK.code(), MediaType.parse(contentType), body);
    }

    private void whole(int answerStatus, MediaType type, byte[] body) {
        status = answerStatus;
        write(headers(answerStatus).contentType(type).contentLength(body.length).build());
        write(HttpData.wrap(body));
        writer.close();
    }

    void event(byte[] json) {
        begin();
        byte[] event = new byte[EVENT_BEGIN.length + json.length + EVENT_END.length];
        System.arraycopy(EVENT_BEGIN, 0, event, 0, EVENT_BEGIN.length);
        System.arraycopy(json, 0, event, EVENT_BEGIN.length, json.length);
        System.arraycopy(EVENT_END, 0, event, EVENT_BEGIN.length + json.length, EVENT_END.length);
        write(HttpData.wrap(event));
        if (++eventCount % LOOK_EVERY == 0) {
            awaitReader();
        }
    }

    /// Keeps the connection busy.
    void comment() {
        begin();
        write(COMMENT);
    }

    void endEvents() {
        begin();
        write(DONE);
        writer.close();
    }

    /// Ends the answer with an error: a plain one, or one within the events.
    void fail(ApiError error) {
        status = error.status();
        if (!streaming) {
            ResponseHeadersBuilder headers = headers(error.status());
            if (!error.retryAfter().isZero()) {
                headers.add(HttpHeaderNames.RETRY_AFTER, Long.toString(error.retryAfterSeconds()));
            }
            byte[] body = Json.bytes(error.toJson());
            write(headers.contentType(MediaType.JSON_UTF_8).contentLength(body.length).build());
            write(HttpData.wrap(body));
            writer.close();
            return;
        }
        write(HttpData.ofUtf8("data: "));
        write(HttpData.wrap(Json.bytes(error.toJson())));
        write(HttpData.ofUtf8("\n\n"));
        write(DONE);
        writer.close();
        // Whoever does not read holds its connection no longer.
        CompletableFuture.delayedExecutor(LAST_WORDS_SECONDS, TimeUnit.SECONDS)
                .execute(writer::abort);
    }

    private void begin() {
        if (!streaming) {
            streaming = true;
            write(
                    headers(HttpStatus.OK.code())
                            .contentType(MediaType.EVENT_STREAM)
                            .add(HttpHeaderNames.CACHE_CONTROL, "no-cache")
                            .add("x-accel-buffering", "no")
                            .build());
        }
    }

    private ResponseHeadersBuilder headers(int answerStatus) {
        return ResponseHeaders.builder(HttpStatus.valueOf(answerStatus))
                .add(further)
                .add(REQUEST_ID, requestId);
    }

    /// What the client is no longer there for is dropped: it was cancelled by [#onGone].
    private void write(HttpObject object) {
        try {
            writer.write(object);
        } catch (ClosedStreamException e) {
            // As said.
        }
    }

    private void awaitReader() {
        try {
            consumed.get(slowClient.toNanos(), TimeUnit.NANOSECONDS);
        } catch (TimeoutException e) {
            throw ApiError.slowReader();
        } catch (ExecutionException e) {
            // Gone; the inbox says so.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw ApiError.internal("the request was interrupted");
        }
        consumed = writer.whenConsumed();
    }
}
