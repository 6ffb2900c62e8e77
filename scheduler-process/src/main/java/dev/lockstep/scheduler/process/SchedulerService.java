// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.CallEnd;
import dev.lockstep.proto.v1.AttachRequest;
import dev.lockstep.proto.v1.AttachSearchRequest;
import dev.lockstep.proto.v1.AttachSearchResponse;
import dev.lockstep.proto.v1.BlockEvents;
import dev.lockstep.proto.v1.DescribeRequestRequest;
import dev.lockstep.proto.v1.GenerateEvent;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.SchedulerGrpc;
import dev.lockstep.proto.v1.SetDrainingRequest;
import dev.lockstep.proto.v1.SetDrainingResponse;
import dev.lockstep.proto.v1.SetRanksRequest;
import dev.lockstep.proto.v1.SetRanksResponse;
import dev.lockstep.proto.v1.WatchBlocksRequest;
import dev.lockstep.proto.v1.WatchGroupRequest;
import dev.lockstep.scheduler.Load;
import dev.lockstep.scheduler.Timeline;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.jspecify.annotations.Nullable;

/// The service for coordinators: requests are passed to the step loop, and the status of the
/// scheduler is sent to all watchers. Calls run on the transport's thread, so no method blocks.
final class SchedulerService extends SchedulerGrpc.SchedulerImplBase {
    private final String group;
    private final BlockJournal journal;
    private final GroupSize size;
    private final List<Watcher> watchers = new CopyOnWriteArrayList<>();
    private final List<BlockWatcher> blockWatchers = new CopyOnWriteArrayList<>();
    private volatile @Nullable StepLoopInbox inbox;
    private volatile GroupStatus status;

    SchedulerService(String group, BlockJournal journal, GroupSize size) {
        this.group = group;
        this.journal = journal;
        this.size = size;
        this.status =
                GroupStatus.newBuilder()
                        .setGroup(group)
                        .setReason("the scheduler is starting")
                        .build();
    }

    /// Sets where requests go; before that every request is refused.
    void serve(StepLoopInbox served) {
        inbox = served;
    }

    @Override
    public void generate(
            dev.lockstep.proto.v1.GenerateRequest proto, StreamObserver<GenerateEvent> observer) {
        var out = (ServerCallStreamObserver<GenerateEvent>) observer;
        StepLoopInbox to = inbox;
        if (to == null) {
            out.onError(starting());
            return;
        }
        GenerateRequest request;
        try {
            request = GenerateRequest.fromProto(proto);
        } catch (IllegalArgumentException e) {
            out.onError(
                    Status.INVALID_ARGUMENT.withDescription(e.getMessage()).asRuntimeException());
            return;
        }
        var stream = new RequestStream(request, out);
        RequestReader reader = reader(out, to);
        reader.read(stream);
        if (!to.trySubmit(stream)) {
            stream.fail(
                    Status.RESOURCE_EXHAUSTED.withDescription("too many requests arrive at once"),
                    Gate.retry(Duration.ofSeconds(1)));
        }
    }

    /// Creates the reader of the call whose handler runs.
    private static RequestReader reader(
            ServerCallStreamObserver<GenerateEvent> out, StepLoopInbox to) {
        CallEnd end = CallEnd.current();
        var reader = new RequestReader(out);
        out.setOnCancelHandler(() -> to.left(reader, end.isLost()));
        out.setOnReadyHandler(reader::drain);
        return reader;
    }

    @Override
    public void attachSearch(
            AttachSearchRequest request, StreamObserver<AttachSearchResponse> observer) {
        StepLoopInbox to = inbox;
        if (to == null) {
            observer.onError(starting());
            return;
        }
        var _ =
                to.search(request)
                        .whenComplete(
                                (found, failure) -> {
                                    if (failure != null) {
                                        observer.onError(failure);
                                        return;
                                    }
                                    observer.onNext(found);
                                    observer.onCompleted();
                                });
    }

    @Override
    public void attach(AttachRequest request, StreamObserver<GenerateEvent> observer) {
        var out = (ServerCallStreamObserver<GenerateEvent>) observer;
        StepLoopInbox to = inbox;
        if (to == null) {
            out.onError(starting());
            return;
        }
        to.attach(reader(out, to), request);
    }

    @Override
    public void watchGroup(WatchGroupRequest request, StreamObserver<GroupStatus> observer) {
        var watcher = new Watcher((ServerCallStreamObserver<GroupStatus>) observer);
        watcher.out.setOnCancelHandler(() -> watchers.remove(watcher));
        watchers.add(watcher);
        watcher.send(status);
    }

    @Override
    public void watchBlocks(WatchBlocksRequest request, StreamObserver<BlockEvents> observer) {
        var out = (ServerCallStreamObserver<BlockEvents>) observer;
        StepLoopInbox to = inbox;
        if (to == null) {
            out.onError(starting());
            return;
        }
        var watcher =
                new BlockWatcher(
                        out,
                        journal,
                        new BlockJournal.Position(request.getStream(), request.getSequence()),
                        to::snapshot);
        out.setOnCancelHandler(() -> blockWatchers.remove(watcher));
        blockWatchers.add(watcher);
        watcher.send();
    }

    @Override
    public void describeRequest(
            DescribeRequestRequest request, StreamObserver<RequestTimeline> observer) {
        StepLoopInbox to = inbox;
        if (to == null) {
            observer.onError(starting());
            return;
        }
        var _ =
                to.describe(request.getRequestId(), request.getTenant())
                        .thenAccept(choices -> answer(request.getRequestId(), choices, observer));
    }

    @Override
    public void setDraining(
            SetDrainingRequest request, StreamObserver<SetDrainingResponse> observer) {
        StepLoopInbox to = inbox;
        if (to == null) {
            observer.onError(starting());
            return;
        }
        var _ =
                to.setDraining(request.getDraining())
                        .thenAccept(
                                status ->
                                        answer(
                                                status,
                                                SetDrainingResponse.getDefaultInstance(),
                                                observer));
    }

    @Override
    public void setRanks(SetRanksRequest request, StreamObserver<SetRanksResponse> observer) {
        var _ =
                size.want(request.getRanks(), status)
                        .thenAccept(
                                outcome ->
                                        answer(
                                                outcome,
                                                SetRanksResponse.getDefaultInstance(),
                                                observer));
    }

    private static <T> void answer(Status status, T done, StreamObserver<T> observer) {
        if (status.isOk()) {
            observer.onNext(done);
            observer.onCompleted();
        } else {
            observer.onError(status.asRuntimeException());
        }
    }

    private static void answer(
            String id, List<Timeline.Choice> choices, StreamObserver<RequestTimeline> observer) {
        if (choices.isEmpty()) {
            observer.onError(
                    Status.NOT_FOUND
                            .withDescription("request " + id + " is unknown or forgotten")
                            .asRuntimeException());
            return;
        }
        observer.onNext(TimelineMessages.toProto(id, choices));
        observer.onCompleted();
    }

    private static StatusRuntimeException starting() {
        return Status.UNAVAILABLE.withDescription("the scheduler is starting").asRuntimeException();
    }

    /// Sends a status to all watchers; called on the loop's thread.
    void publish(SchedulerStatus status) {
        GroupStatus next = toProto(status);
        this.status = next;
        for (Watcher watcher : watchers) {
            watcher.send(next);
        }
        blockWatchers.forEach(BlockWatcher::send);
    }

    /// The status stream of one coordinator; a slow reader misses intermediate statuses.
    private static final class Watcher {
        final ServerCallStreamObserver<GroupStatus> out;

        Watcher(ServerCallStreamObserver<GroupStatus> out) {
            this.out = out;
        }

        synchronized void send(GroupStatus status) {
            if (!out.isCancelled() && out.isReady()) {
                out.onNext(status);
            }
        }
    }

    private GroupStatus toProto(SchedulerStatus status) {
        Load load = status.load();
        Load.Totals totals = load.totals();
        GroupHistory history = status.history();
        GroupStatus.Builder proto =
                GroupStatus.newBuilder()
                        .setGroup(group)
                        .setReady(status.ready())
                        .setReason(status.reason())
                        .setDraining(status.draining())
                        .setRunning(load.running())
                        .setWaiting(load.waiting())
                        .setWaitingLimit(status.waitingLimit())
                        .setBlocksTotal(load.blocks())
                        .setBlocksFree(load.freeBlocks())
                        .setBlocksCached(load.cachedBlocks())
                        .setWaitingTokens(load.waitingTokens())
                        .setStepBytes(status.stepBytes())
                        .setPreemptions(totals.preemptions())
                        .setSteps(totals.steps())
                        .setMixedSteps(totals.mixedSteps())
                        .setPromptTokens(totals.promptTokens())
                        .setCachedTokens(totals.cachedTokens())
                        .setGeneratedTokens(totals.generatedTokens())
                        .setExpired(totals.expired())
                        .setRefused(totals.refused())
                        .setRefusedByEstimate(totals.refusedByEstimate())
                        .setRecomputedTokens(totals.recomputedTokens())
                        .setLosses(history.losses())
                        .setFormations(history.formations())
                        .setMigrations(history.migrations())
                        .setPoisoned(history.poisoned())
                        .setParked(history.parked())
                        .setCanarySteps(status.canarySteps())
                        .setExpelledRanks(status.expelledRanks())
                        .setSlowRank(status.slowRank().orElse(""));
        status.group()
                .ifPresent(
                        formed ->
                                proto.setEpoch(formed.shape().epoch())
                                        .setModel(formed.model())
                                        .setModelDigest(formed.modelDigest())
                                        .setMaxModelLen(formed.shape().longestSequence())
                                        .setVocabSize(formed.vocabularySize())
                                        .setMaxNumSeqs(formed.shape().maxSequences())
                                        .setMaxNumBatchedTokens(status.stepTokens())
                                        .setBlockSize(formed.shape().blockSize())
                                        .setPromptSpan(formed.shape().promptSpan())
                                        .addAllRanks(formed.ranks()));
        return proto.build();
    }
}
