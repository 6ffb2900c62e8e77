// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.scheduler.StepResult;
import dev.lockstep.scheduler.Timeline;
import io.grpc.Status;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/// A message to the step loop.
sealed interface StepLoopMessage {
    record Submit(RequestStream stream) implements StepLoopMessage {}

    /// The reader of a request has left.
    ///
    /// @param lost whether its connection broke, rather than that it cancelled
    record Left(RequestReader reader, boolean lost) implements StepLoopMessage {}

    record Attach(RequestReader reader, AttachRequest request) implements StepLoopMessage {}

    record Search(AttachSearchRequest question, CompletableFuture<AttachSearchResponse> answer)
            implements StepLoopMessage {}

    record Formed(FormedGroup group) implements StepLoopMessage {}

    record Unready(Status status) implements StepLoopMessage {}

    record Completed(WorkerGroup group, StepResult result) implements StepLoopMessage {}

    record Lost(WorkerGroup group, GroupLoss loss) implements StepLoopMessage {}

    record Describe(
            String requestId, String tenant, CompletableFuture<List<Timeline.Choice>> answer)
            implements StepLoopMessage {}

    record Snapshot(CompletableFuture<BlockWatcher.Snapshot> answer) implements StepLoopMessage {}

    record Inspect(CompletableFuture<SchedulerFacts> answer) implements StepLoopMessage {}

    /// Starts or ends a drain of the group; answers with why it cannot, or OK.
    record SetDraining(boolean wanted, CompletableFuture<Status> answer)
            implements StepLoopMessage {}

    /// Starts the last drain of this process.
    record Drain() implements StepLoopMessage {}

    record Stop() implements StepLoopMessage {}
}
