package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.StepResult;
import dev.lockstep.scheduler.Timeline;
import io.grpc.Status;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// What others tell the step loop.
sealed interface Message {
    record Submit(RequestStream stream) implements Message {}

    record Cancel(RequestStream stream) implements Message {}

    record Formed(FormedGroup group) implements Message {}

    record Unready(Status status) implements Message {}

    record Completed(WorkerGroup group, StepResult result) implements Message {}

    record Lost(WorkerGroup group, String reason) implements Message {}

    record Describe(String requestId, CompletableFuture<List<Timeline.Choice>> answer)
            implements Message {}

    record Snapshot(CompletableFuture<BlockWatcher.Snapshot> answer) implements Message {}

    record Drain() implements Message {}

    record Stop() implements Message {}
}
