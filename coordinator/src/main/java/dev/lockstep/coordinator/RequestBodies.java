// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpRequest;
import java.time.Duration;
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
            if (declared <= (long) MAX_LARGE_BODIES * maxBytes) {
                discard(request);
            }
            throw tooLarge(declared + " bytes");
        }
        var received = new AtomicLong();
        try {
            byte[] bytes = readWhole(request, received);
            long weight = JsonWeight.of(bytes, memory.capacity());
            memory.requireFits(weight, bytes.length);
            RequestMemory.Reservation reservation = memory.reserve(weight, timeout);
            return new Body(
                    bytes,
                    () -> {
                        reservation.close();
                        inMemory.addAndGet(-received.get());
                    });
        } catch (ApiError e) {
            inMemory.addAndGet(-received.get());
            throw e;
        }
    }

    /// Lets a client finish that is not far over the limit: while it sends, it might take a
    /// response for a broken stream.
    private void discard(HttpRequest request) throws InterruptedException {
        try {
            request.subscribe().get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException | TimeoutException e) {
            request.abort();
        }
    }

    private byte[] readWhole(HttpRequest request, AtomicLong received) throws InterruptedException {
        try {
            return request.mapData(
                            data -> {
                                received.addAndGet(data.length());
                                long all = inMemory.addAndGet(data.length());
                                if (received.get() > maxBytes) {
                                    data.close();
                                    throw tooLarge("more than " + maxBytes + " bytes");
                                }
                                if (all > (long) MAX_LARGE_BODIES * maxBytes) {
                                    data.close();
                                    throw RequestMemory.busy();
                                }
                                return data;
                            })
                    .aggregate()
                    .get(timeout.toNanos(), TimeUnit.NANOSECONDS)
                    .content()
                    .array();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof ApiError error) {
                throw error;
            }
            throw ApiError.refused(400, "broken_body", "the body is incomplete");
        } catch (TimeoutException e) {
            request.abort();
            throw ApiError.refused(
                    408,
                    "slow_body",
                    "the body did not arrive within " + timeout.toSeconds() + " s");
        }
    }

    private ApiError tooLarge(String size) {
        return ApiError.refused(
                413,
                "body_too_large",
                "the body has " + size + ", at most " + maxBytes + " are accepted");
    }
}
