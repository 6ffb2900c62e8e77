// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.Member;
import dev.lockstep.coordinator.engine.GroupView;
import dev.lockstep.coordinator.engine.SchedulerClient;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.MemberStatus;
import io.grpc.stub.StreamObserver;
import java.util.Locale;

/// The gRPC service for operators: the state of the cluster as this coordinator knows it.
final class AdminService extends AdminGrpc.AdminImplBase {
    private final Readiness readiness;
    private final SchedulerClient schedulers;

    AdminService(Readiness readiness, SchedulerClient schedulers) {
        this.readiness = readiness;
        this.schedulers = schedulers;
    }

    @Override
    public void clusterStatus(
            ClusterStatusRequest request, StreamObserver<ClusterStatusResponse> observer) {
        ClusterStatusResponse.Builder proto =
                ClusterStatusResponse.newBuilder().setReady(readiness.obstacle().isEmpty());
        GroupView.byGroup(schedulers.groups()).forEach(view -> proto.addGroups(view.status()));
        schedulers.members().members().forEach(member -> proto.addMembers(toProto(member)));
        observer.onNext(proto.build());
        observer.onCompleted();
    }

    private static MemberStatus toProto(Member member) {
        return MemberStatus.newBuilder()
                .setRole(member.role().word())
                .setGroup(member.group())
                .setRank(member.rank())
                .setAddress(member.address())
                .setState(member.state().name().toLowerCase(Locale.ROOT))
                .build();
    }
}
