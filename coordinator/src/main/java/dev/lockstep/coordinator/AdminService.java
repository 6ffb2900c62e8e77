// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.Member;
import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.DrainState;
import dev.lockstep.proto.v1.DrainTarget;
import dev.lockstep.proto.v1.MemberStatus;
import dev.lockstep.proto.v1.RequestTimeline;
import dev.lockstep.proto.v1.RequestTimelineRequest;
import dev.lockstep.proto.v1.ResizeRequest;
import dev.lockstep.proto.v1.ResizeResponse;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.time.Duration;
import java.util.Locale;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/// The gRPC service for operators: the state of the cluster as this coordinator knows it, timelines
/// of requests, drains, and the number of ranks of a group.
final class AdminService extends AdminGrpc.AdminImplBase {
    /// A launcher gives up earlier.
    private static final Duration RESIZE = Duration.ofMinutes(15);

    private final Readiness readiness;
    private final SchedulerClient schedulers;
    private final Drains drains;
    private final TimelineApi timelines;
    private final CompletionFactory completions;
    private final Executor threads;

    AdminService(
            Readiness readiness,
            SchedulerClient schedulers,
            Drains drains,
            TimelineApi timelines,
            CompletionFactory completions,
            Executor threads) {
        this.readiness = readiness;
        this.schedulers = schedulers;
        this.drains = drains;
        this.timelines = timelines;
        this.completions = completions;
        this.threads = threads;
    }

    @Override
    public void clusterStatus(
            ClusterStatusRequest request, StreamObserver<ClusterStatusResponse> observer) {
        UnaryResponse.send(observer, this::status);
    }

    private ClusterStatusResponse status() {
        ClusterStatusResponse.Builder proto =
                ClusterStatusResponse.newBuilder().setReady(readiness.obstacle().isEmpty());
        GroupView.byGroup(schedulers.groups()).forEach(view -> proto.addGroups(view.status()));
        schedulers.members().members().forEach(member -> proto.addMembers(toProto(member)));
        return proto.build();
    }

    @Override
    public void describeRequest(
            RequestTimelineRequest request, StreamObserver<RequestTimeline> observer) {
        RequestContext context = completions.currentCall();
        threads.execute(
                () ->
                        UnaryResponse.send(
                                observer,
                                () -> timelines.message(request.getRequestId(), context.tenant())));
    }

    @Override
    public void drain(DrainTarget target, StreamObserver<DrainState> observer) {
        answer(observer, () -> drains.set(target, true));
    }

    @Override
    public void undrain(DrainTarget target, StreamObserver<DrainState> observer) {
        answer(observer, () -> drains.set(target, false));
    }

    @Override
    public void drainStatus(DrainTarget target, StreamObserver<DrainState> observer) {
        answer(observer, () -> drains.status(target));
    }

    @Override
    public void resize(ResizeRequest request, StreamObserver<ResizeResponse> observer) {
        answer(
                observer,
                () -> {
                    GroupView group = LedGroup.named(schedulers, request.getGroup());
                    schedulers.setRanks(group.id(), request.getRanks(), RESIZE);
                    return ResizeResponse.getDefaultInstance();
                });
    }

    /// Answers with what a scheduler may refuse.
    private <T> void answer(StreamObserver<T> observer, Supplier<T> work) {
        threads.execute(
                () -> {
                    T answer;
                    try {
                        answer = work.get();
                    } catch (StatusRuntimeException e) {
                        observer.onError(e.getStatus().asRuntimeException());
                        return;
                    }
                    var _ = UnaryResponse.send(observer, () -> answer);
                });
    }

    private static MemberStatus toProto(Member member) {
        return MemberStatus.newBuilder()
                .setRole(member.role().word())
                .setGroup(member.group())
                .setRank(member.rank())
                .setAddress(member.address().toString())
                .setState(member.state().name().toLowerCase(Locale.ROOT))
                .build();
    }
}
