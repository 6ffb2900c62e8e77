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
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import java.util.Locale;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/// The gRPC service for operators: the state of the cluster as this coordinator knows it, timelines
/// of requests, and drains.
final class AdminService extends AdminGrpc.AdminImplBase {
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

    /// Answers with what a scheduler may refuse.
    private void answer(StreamObserver<DrainState> observer, Supplier<DrainState> work) {
        threads.execute(
                () -> {
                    DrainState state;
                    try {
                        state = work.get();
                    } catch (StatusRuntimeException e) {
                        observer.onError(e.getStatus().asRuntimeException());
                        return;
                    }
                    var _ = UnaryResponse.send(observer, () -> state);
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
