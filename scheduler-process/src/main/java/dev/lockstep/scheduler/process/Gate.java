package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.WaitingLimits;
import io.grpc.Metadata;
import io.grpc.Status;
import java.time.Duration;
import java.util.concurrent.atomic.LongAdder;

/// Refuses at once what would find the queue full, on the transport's thread and without a word to
/// the step loop, which says after every round how long the queue is. Under overload nearly all
/// requests end here, and the loop has its time for the others.
///
/// What is open here may still be refused by the loop: it counts exactly.
final class Gate {
    private final WaitingLimits limits;
    private final LongAdder refused = new LongAdder();
    private volatile Queue queue = Queue.OPEN;

    /// The queue as the loop last left it.
    record Queue(int sequences, long tokens, Duration retryAfter) {
        /// Nobody waits, or the loop has another answer for everybody.
        static final Queue OPEN = new Queue(0, 0, Duration.ZERO);
    }

    Gate(WaitingLimits limits) {
        this.limits = limits;
    }

    /// By the step loop.
    void stands(Queue now) {
        queue = now;
    }

    /// Requests that were refused here.
    long refused() {
        return refused.sum();
    }

    /// Fails a request that would find the queue full; false when it may pass.
    boolean tryRefuse(RequestStream stream) {
        var now = queue;
        int choices = stream.request().choices().size();
        long tokens = (long) choices * stream.request().promptIds().length;
        var full = limits.full(now.sequences(), now.tokens(), choices, tokens);
        if (full.isEmpty()) {
            return false;
        }
        refused.increment();
        stream.fail(Status.RESOURCE_EXHAUSTED.withDescription(full), retry(now.retryAfter()));
        return true;
    }

    /// The trailers of a refusal.
    static Metadata retry(Duration wait) {
        var trailers = new Metadata();
        trailers.put(Requests.RETRY_AFTER_MS, Long.toString(wait.toMillis()));
        return trailers;
    }
}
