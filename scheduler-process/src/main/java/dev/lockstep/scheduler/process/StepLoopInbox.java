// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.scheduler.StepResult;
import dev.lockstep.scheduler.Timeline;
import io.grpc.Status;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// The messages of all other threads to the step loop; any thread may call it, and only the loop
/// blocks on it.
///
/// Unread requests are bounded by [#MAX_UNREAD_REQUESTS]; other messages are bounded by their
/// causes: readers that attach and leave, open calls that ask a question, the steps in flight, and
/// changes of the group.
final class StepLoopInbox implements WorkerGroup.Listener {
    private static final int MAX_UNREAD_REQUESTS = 4096;

    private final BlockingQueue<StepLoopMessage> messages = new LinkedBlockingQueue<>();
    private final AtomicInteger unreadRequests = new AtomicInteger();
    private final Gate gate;

    StepLoopInbox(Gate gate) {
        this.gate = gate;
    }

    /// Passes a request on, unless the gate refuses it. Returns false when too many requests are
    /// unread.
    boolean trySubmit(RequestStream stream) {
        if (gate.tryRefuse(stream)) {
            return true;
        }
        if (unreadRequests.incrementAndGet() > MAX_UNREAD_REQUESTS) {
            unreadRequests.decrementAndGet();
            return false;
        }
        return messages.add(new StepLoopMessage.Submit(stream));
    }

    /// @param lost whether the reader's connection broke, rather than that it cancelled
    void left(RequestReader reader, boolean lost) {
        messages.add(new StepLoopMessage.Left(reader, lost));
    }

    void attach(RequestReader reader, AttachRequest request) {
        messages.add(new StepLoopMessage.Attach(reader, request));
    }

    /// The kept requests of a response.
    CompletableFuture<AttachSearchResponse> search(AttachSearchRequest question) {
        var answer = new CompletableFuture<AttachSearchResponse>();
        messages.add(new StepLoopMessage.Search(question, answer));
        return answer;
    }

    /// The recent events of a request; empty when it is unknown, was dropped, or is of another
    /// tenant.
    CompletableFuture<List<Timeline.Choice>> describe(String requestId, String tenant) {
        var answer = new CompletableFuture<List<Timeline.Choice>>();
        messages.add(new StepLoopMessage.Describe(requestId, tenant, answer));
        return answer;
    }

    /// All names in the prefix cache.
    CompletableFuture<BlockWatcher.Snapshot> snapshot() {
        var answer = new CompletableFuture<BlockWatcher.Snapshot>();
        messages.add(new StepLoopMessage.Snapshot(answer));
        return answer;
    }

    /// The state of the loop, for whoever looks for a fault.
    CompletableFuture<SchedulerFacts> inspect() {
        var answer = new CompletableFuture<SchedulerFacts>();
        messages.add(new StepLoopMessage.Inspect(answer));
        return answer;
    }

    void groupFormed(FormedGroup group) {
        messages.add(new StepLoopMessage.Formed(group));
    }

    /// Sets why there is no group; FAILED_PRECONDITION when this scheduler does not lead.
    void groupUnready(Status status) {
        messages.add(new StepLoopMessage.Unready(status));
    }

    @Override
    public void stepCompleted(WorkerGroup group, StepResult result) {
        messages.add(new StepLoopMessage.Completed(group, result));
    }

    @Override
    public void groupLost(WorkerGroup group, GroupLoss loss) {
        messages.add(new StepLoopMessage.Lost(group, loss));
    }

    /// Starts or ends a drain of the group. The answer is OK, or why this is not possible.
    CompletableFuture<Status> setDraining(boolean wanted) {
        var answer = new CompletableFuture<Status>();
        messages.add(new StepLoopMessage.SetDraining(wanted, answer));
        return answer;
    }

    /// Makes the loop refuse new requests from now on.
    void drain() {
        messages.add(new StepLoopMessage.Drain());
    }

    void stop() {
        messages.add(new StepLoopMessage.Stop());
    }

    /// Returns the next message, for the loop; null when none arrived in time.
    @Nullable StepLoopMessage poll(long timeoutNanos) throws InterruptedException {
        return read(messages.poll(timeoutNanos, TimeUnit.NANOSECONDS));
    }

    /// Returns the next message, for the loop; null when there is none.
    @Nullable StepLoopMessage poll() {
        return read(messages.poll());
    }

    private @Nullable StepLoopMessage read(@Nullable StepLoopMessage message) {
        if (message instanceof StepLoopMessage.Submit) {
            unreadRequests.decrementAndGet();
        }
        return message;
    }
}
