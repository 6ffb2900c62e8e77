package dev.lockstep.coordinator;

import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/// Room on the heap for requests that are being checked, of HTTP and gRPC together: as a tree of
/// values one takes many times the bytes it came in. One that alone takes more is refused. Safe for
/// any thread.
final class RequestMemory {
    private static final Duration SOON = Duration.ofSeconds(1);

    /// In requests of the largest size: a third of the heap that a coordinator has by default.
    private static final int LARGE_AT_ONCE = 10;

    private final int most;
    private final Semaphore free;

    /// @param mostBytes of one request, as it is sent
    RequestMemory(int mostBytes) {
        most = (int) Math.min(Integer.MAX_VALUE, (long) LARGE_AT_ONCE * mostBytes);
        free = new Semaphore(most, true);
    }

    /// What there is in all, in bytes.
    int most() {
        return most;
    }

    /// Refuses what can never fit.
    ///
    /// @param sentBytes how large it was, for the error
    void requireFits(long weight, int sentBytes) {
        if (weight > most) {
            throw ApiError.refused(
                    413,
                    "body_too_large",
                    "the body of "
                            + sentBytes
                            + " bytes has so many values that it would take more than the "
                            + most
                            + " bytes of memory that there are for it; send fewer at once");
        }
    }

    /// Waits for room, which is held until the hold is closed.
    Hold hold(long weight, Duration timeout) throws InterruptedException {
        if (!free.tryAcquire((int) weight, timeout.toNanos(), TimeUnit.NANOSECONDS)) {
            throw busy();
        }
        return new Hold((int) weight);
    }

    /// As [#hold(long, Duration)], without waiting.
    Hold hold(long weight) {
        if (!free.tryAcquire((int) weight)) {
            throw busy();
        }
        return new Hold((int) weight);
    }

    static ApiError busy() {
        return ApiError.unavailable(
                "bodies_busy", "too many large request bodies are being read", SOON);
    }

    /// Room that is taken until it is given back, once.
    final class Hold implements AutoCloseable {
        private final AtomicInteger weight;

        private Hold(int weight) {
            this.weight = new AtomicInteger(weight);
        }

        @Override
        public void close() {
            free.release(weight.getAndSet(0));
        }
    }
}
