// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.atomic.LongAdder;

/// Refuses requests that would find the queue full, on the transport's thread and without a message
/// to the step loop, which sets the length of the queue after every round. Under overload nearly
/// all requests end here, so that the loop has time for the others.
///
/// The loop may still refuse a request that passes here: it counts exactly.
final class Gate {
    private final WaitingLimits limits;
    private final LongAdder refused = new LongAdder();
    private volatile Queue queue = Queue.OPEN;

    /// The queue as the loop last set it.
    record Queue(int sequences, long tokens, Duration retryAfter) {
        /// No sequence waits, or the loop has another answer for every request.
        static final Queue OPEN = new Queue(0, 0, Duration.ZERO);
    }

    Gate(WaitingLimits limits) {
        this.limits = limits;
    }

    /// Sets the queue; called by the step loop.
    void update(Queue now) {
        queue = now;
    }

    /// Requests that were refused here.
    long refused() {
        return refused.sum();
    }

    /// Fails a request that would find the queue full. Returns false when the request may pass.
    boolean tryRefuse(RequestStream stream) {
        if (stream.request().accepted()) {
            return false;
        }
        Queue now = queue;
        int choices = stream.request().choices().size();
        long tokens = (long) choices * stream.request().promptIds().length;
        String full = limits.full(now.sequences(), now.tokens(), choices, tokens);
        if (full.isEmpty()) {
            return false;
        }
        refused.increment();
        stream.fail(Status.RESOURCE_EXHAUSTED.withDescription(full), retry(now.retryAfter()));
        return true;
    }

    /// Returns the trailers of a refusal.
    static Metadata retry(Duration wait) {
        var trailers = new Metadata();
        trailers.put(Requests.RETRY_AFTER_MS, Long.toString(wait.toMillis()));
        return trailers;
    }
}
