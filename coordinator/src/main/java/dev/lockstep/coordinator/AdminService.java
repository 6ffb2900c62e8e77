package dev.lockstep.coordinator;

import dev.lockstep.cluster.Member;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.MemberStatus;
import io.grpc.stub.StreamObserver;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/// What operators ask of the whole cluster, answered from this coordinator's view of it.
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
        groups().forEach(proto::addGroups);
        schedulers.members().members().forEach(member -> proto.addMembers(toProto(member)));
        observer.onNext(proto.build());
        observer.onCompleted();
    }

    /// A group with a standby has two schedulers; the one that leads knows more.
    private Collection<GroupStatus> groups() {
        Map<String, GroupStatus> byName = new TreeMap<>();
        for (GroupView view : schedulers.groups()) {
            byName.merge(
                    view.status().getGroup(),
                    view.status(),
                    (one, other) ->
                            other.getReady() || other.getEpoch() > one.getEpoch() ? other : one);
        }
        return byName.values();
    }

    private static MemberStatus toProto(Member member) {
        return MemberStatus.newBuilder()
                .setRole(member.role().word())
                .setGroup(member.group())
                .setRank(member.rank())
                .setAddress(
                        member.port() == 0
                                ? member.unixSocket()
                                : member.host() + ":" + member.port())
                .setState(member.state().name().toLowerCase(Locale.ROOT))
                .build();
    }
}
