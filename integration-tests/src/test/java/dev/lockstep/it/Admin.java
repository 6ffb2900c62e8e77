// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.ResizeRequest;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.util.Optional;

/// The admin API of one coordinator, over gRPC on its only port. Its creator closes it.
final class Admin implements AutoCloseable {
    private final ManagedChannel channel;

    Admin(int port) {
        channel = NettyChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
    }

    /// Returns the channel, for other services on the same port.
    ManagedChannel channel() {
        return channel;
    }

    ClusterStatusResponse status() {
        return AdminGrpc.newBlockingStub(channel)
                .withDeadlineAfter(BoundedWait.TIMEOUT)
                .clusterStatus(ClusterStatusRequest.getDefaultInstance());
    }

    /// Returns the status of a group if its scheduler is known.
    Optional<GroupStatus> group(String name) {
        return status().getGroupsList().stream()
                .filter(group -> group.getGroup().equals(name))
                .findFirst();
    }

    /// Forms a group anew with another number of ranks.
    void resize(String group, int ranks) {
        var _ =
                AdminGrpc.newBlockingStub(channel)
                        .withDeadlineAfter(BoundedWait.TIMEOUT)
                        .resize(ResizeRequest.newBuilder().setGroup(group).setRanks(ranks).build());
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }
}
