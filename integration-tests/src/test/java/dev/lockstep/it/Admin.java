package dev.lockstep.it;

import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ClusterStatusRequest;
import dev.lockstep.proto.v1.ClusterStatusResponse;
import dev.lockstep.proto.v1.GroupStatus;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// What a coordinator tells operators, over gRPC on its one port. Closed by whoever made it.
final class Admin implements AutoCloseable {
    private final ManagedChannel channel;

    Admin(int port) {
        channel = NettyChannelBuilder.forAddress("127.0.0.1", port).usePlaintext().build();
    }

    /// For other services on the same port.
    ManagedChannel channel() {
        return channel;
    }

    ClusterStatusResponse status() {
        return AdminGrpc.newBlockingStub(channel)
                .withDeadlineAfter(60, TimeUnit.SECONDS)
                .clusterStatus(ClusterStatusRequest.getDefaultInstance());
    }

    /// A group by name, where its scheduler is known.
    Optional<GroupStatus> group(String name) {
        return status().getGroupsList().stream()
                .filter(group -> group.getGroup().equals(name))
                .findFirst();
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }
}
