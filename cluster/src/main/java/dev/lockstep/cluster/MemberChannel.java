// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import java.net.InetSocketAddress;

/// The gRPC channels between the processes of a cluster.
public final class MemberChannel {
    private MemberChannel() {}

    /// Starts a channel to the member's Unix socket if it is on this host, else to its TCP address;
    /// its calls prove the cluster's secret. Callbacks run on the event loop, so they must not
    /// block.
    public static NettyChannelBuilder to(
            Member member, ClusterAccess access, EventLoopGroup eventLoop) {
        MemberAddress address = member.address();
        boolean tcp = address.port() != 0 && !address.isOnThisHost();
        NettyChannelBuilder builder =
                tcp
                        // Resolves the name on another thread.
                        ? NettyChannelBuilder.forAddress(address.host(), address.port())
                                .channelType(SocketIo.tcp(), InetSocketAddress.class)
                        : NettyChannelBuilder.forTarget(SocketResolver.target(address.socketPath()))
                                .channelType(SocketIo.unix(), SocketIo.unixAddressType())
                                .overrideAuthority("localhost");
        if (tcp && access.tls().isPresent()) {
            // The server's certificate must name the role.
            builder.sslContext(access.tls().get().client())
                    .overrideAuthority(ClusterCertificates.name(member.role()));
        } else {
            builder.usePlaintext();
        }
        return builder.eventLoopGroup(eventLoop)
                .intercept(CallProof.of(access.secret(), member.incarnation()))
                .directExecutor()
                .disableRetry();
    }
}
