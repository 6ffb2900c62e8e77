// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpRequest;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/// Reads the whole bodies of requests, each up to a limit and all within a budget. The limit is
/// checked here and not in the server, so that the client gets the error object. Safe for any
/// thread.
///
/// While a body is checked, its tree needs many times its bytes, so only as many bodies are checked
/// at a time as fit in the memory for them; the others wait. A body that exceeds it alone is
/// refused.
final class RequestBodies {
    /// The number of bodies of the maximum size that may be arriving or waiting.
    private static final int MAX_LARGE_BODIES = 8;

    private final int maxBytes;
    private final RequestMemory memory;
    private final Duration timeout;
    private final AtomicLong inMemory = new AtomicLong();

    RequestBodies(int maxBytes, RequestMemory memory, Duration timeout) {
        this.maxBytes = maxBytes;
        this.timeout = timeout;
        this.memory = memory;
    }

    /// A body; `close` releases its memory.
    record Body(byte[] bytes, Runnable release) implements AutoCloseable {
        @Override
        public void close() {
            release.run();
        }
    }

    /// Blocks until the body has arrived and memory for its tree is available.
    Body read(HttpRequest request) throws InterruptedException {
        long declared = request.headers().contentLength();
        if (declared > maxBytes) {
            long unused = (long) MAX_LARGE_BODIES * maxBytes;
            if (declared <= unused) {
                var ended = new CountDownLatch(1);
                UnusedBody.discard(request, unused, timeout, ended::countDown);
                ended.await();
            }
            throw tooLarge(declared + " bytes");
        }
        // The bytes of this body that are in memory, encoded and decoded.
        var held = new AtomicLong();
        try {
            BodyEncoding encoding = BodyEncoding.of(request.headers());
            byte[] sent = readWhole(request, held);
            var decoded = new AtomicLong();
            byte[] bytes =
                    encoding.decode(
                            sent,
                            count -> {
                                held.addAndGet(count);
                                admit(decoded, count, " after decoding");
                            });
            long weight = JsonWeight.of(bytes, memory.capacity());
            memory.requireFits(weight, bytes.length);
            RequestMemory.Reservation reservation = memory.reserve(weight, timeout);
            return new Body(
                    bytes,
                    () -> {
                        reservation.close();
                        inMemory.addAndGet(-held.get());
                    });
        } catch (ApiError e) {
            inMemory.addAndGet(-held.get());
            throw e;
        }
    }

    private byte[] readWhole(HttpRequest request, AtomicLong held) throws InterruptedException {
        CompletableFuture<byte[]> body =
                BodyReader.read(
                        request,
                        length -> admit(held, length, ""),
                        (long) MAX_LARGE_BODIES * maxBytes);
        try {
            return body.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ApiError error) {
                throw error;
            }
            throw ApiError.refused(400, "broken_body", "the body is incomplete");
        } catch (TimeoutException e) {
            // Pieces that still arrive are not counted.
            body.cancel(false);
            request.abort();
            throw ApiError.refused(
                    408,
                    "slow_body",
                    "the body did not arrive within " + timeout.toSeconds() + " s");
        }
    }

    /// Counts bytes of a body that is being read; throws if they are too many.
    private void admit(AtomicLong counted, int bytes, String when) {
        long all = inMemory.addAndGet(bytes);
        if (counted.addAndGet(bytes) > maxBytes) {
            throw tooLarge("more than " + maxBytes + " bytes" + when);
        }
        if (all > (long) MAX_LARGE_BODIES * maxBytes) {
            throw RequestMemory.busy();
        }
    }

    private ApiError tooLarge(String size) {
        return ApiError.refused(
                413,
                "body_too_large",
                "the body has " + size + ", at most " + maxBytes + " are accepted");
    }
}
