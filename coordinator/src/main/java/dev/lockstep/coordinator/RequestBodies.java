package dev.lockstep.coordinator;

import com.linecorp.armeria.common.HttpRequest;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/// Reads requests' bodies whole, each up to a limit and all of them within a budget. The limit is
/// ours and not the server's, so that the client gets the error object. Safe for any thread.
///
/// While a body is checked its tree takes many times its bytes, so only as many are looked at
/// together as memory has room for; the others wait. One that alone takes more is refused.
final class RequestBodies {
    /// Bodies of the largest size that may be arriving or waiting.
    private static final int LARGE_IN_MEMORY = 8;

    private final int mostBytes;
    private final RequestMemory memory;
    private final Duration timeout;
    private final AtomicLong inMemory = new AtomicLong();

    RequestBodies(int mostBytes, RequestMemory memory, Duration timeout) {
        this.mostBytes = mostBytes;
        this.timeout = timeout;
        this.memory = memory;
    }

    /// A body that may be looked at until it is closed.
    record Body(byte[] bytes, Runnable release) implements AutoCloseable {
        @Override
        public void close() {
            release.run();
        }
    }

    /// Waits for the body, and for its turn, on the calling thread.
    Body read(HttpRequest request) throws InterruptedException {
        long declared = request.headers().contentLength();
        if (declared > mostBytes) {
            if (declared <= (long) LARGE_IN_MEMORY * mostBytes) {
                discard(request);
            }
            throw tooLarge(declared + " bytes");
        }
        AtomicLong seen = new AtomicLong();
        try {
            byte[] bytes = readWhole(request, seen);
            long weight = JsonWeight.of(bytes, memory.most());
            memory.requireFits(weight, bytes.length);
            RequestMemory.Hold hold = memory.hold(weight, timeout);
            return new Body(
                    bytes,
                    () -> {
                        hold.close();
                        inMemory.addAndGet(-seen.get());
                    });
        } catch (ApiError e) {
            inMemory.addAndGet(-seen.get());
            throw e;
        }
    }

    /// Lets a client finish that is not far over the limit: while it sends, it may take an answer
    /// for a broken stream.
    private void discard(HttpRequest request) throws InterruptedException {
        try {
            request.subscribe().get(timeout.toNanos(), TimeUnit.NANOSECONDS);
        } catch (ExecutionException | TimeoutException e) {
            request.abort();
        }
    }

    private byte[] readWhole(HttpRequest request, AtomicLong seen) throws InterruptedException {
        try {
            return request.mapData(
                            data -> {
                                seen.addAndGet(data.length());
                                long all = inMemory.addAndGet(data.length());
                                if (seen.get() > mostBytes) {
                                    data.close();
                                    throw tooLarge("more than " + mostBytes + " bytes");
                                }
                                if (all > (long) LARGE_IN_MEMORY * mostBytes) {
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
            throw ApiError.refused(400, "broken_body", "the body broke off");
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
                "the body has " + size + ", at most " + mostBytes + " are read");
    }
}
