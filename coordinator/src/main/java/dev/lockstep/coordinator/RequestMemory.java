// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/// The heap budget for requests that are being checked, shared by HTTP and gRPC: as a tree of
/// values a request needs many times the bytes it was sent in. A request that exceeds the budget
/// alone is refused. Safe for any thread.
final class RequestMemory {

    /// The budget in requests of the maximum size: a third of the default heap of a coordinator.
    private static final int LARGE_REQUESTS = 10;

    private final int capacity;
    private final Semaphore free;

    /// @param maxBytes the maximum size of one request, as sent
    RequestMemory(int maxBytes) {
        capacity = (int) Math.min(Integer.MAX_VALUE, (long) LARGE_REQUESTS * maxBytes);
        free = new Semaphore(capacity, true);
    }

    /// Returns the whole budget in bytes.
    int capacity() {
        return capacity;
    }

    /// Refuses a request that exceeds the whole budget.
    ///
    /// @param weight its estimated bytes of memory
    /// @param sentBytes its size as sent, for the error
    void requireFits(long weight, int sentBytes) {
        if (weight > capacity) {
            throw ApiError.refused(
                    413,
                    "body_too_large",
                    "the body of "
                            + sentBytes
                            + " bytes has so many values that it would need more than the "
                            + capacity
                            + " bytes of memory for requests; send fewer values at once");
        }
    }

    /// Blocks until the memory is available, and reserves it until the reservation is closed.
    Reservation reserve(long weight, Duration timeout) throws InterruptedException {
        if (!free.tryAcquire((int) weight, timeout.toNanos(), TimeUnit.NANOSECONDS)) {
            throw busy();
        }
        return new Reservation((int) weight);
    }

    /// Reserves memory without blocking; throws if it is not available.
    Reservation reserve(long weight) {
        if (!free.tryAcquire((int) weight)) {
            throw busy();
        }
        return new Reservation((int) weight);
    }

    static ApiError busy() {
        return ApiError.unavailable("bodies_busy", "too many large request bodies are being read");
    }

    /// Reserved memory; the first `close` releases it.
    final class Reservation implements AutoCloseable {
        private final AtomicInteger weight;

        private Reservation(int weight) {
            this.weight = new AtomicInteger(weight);
        }

        @Override
        public void close() {
            free.release(weight.getAndSet(0));
        }
    }
}
