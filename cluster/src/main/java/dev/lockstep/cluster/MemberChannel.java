// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;

/// The gRPC channels between the processes of a cluster.
public final class MemberChannel {
    private MemberChannel() {}

    /// Starts a channel to the member's Unix socket if it is on this host, else to its TCP address;
    /// its calls prove the cluster's secret. Callbacks run on the event loop, so they must not
    /// block.
    public static NettyChannelBuilder to(
            Member member, ClusterAccess access, EventLoopGroup eventLoop) {
        MemberAddress address = member.address();
        NettyChannelBuilder builder =
                address.port() == 0 || address.isOnThisHost()
                        ? NettyChannelBuilder.forAddress(address.socketAddress())
                                .channelType(
                                        NioDomainSocketChannel.class, UnixDomainSocketAddress.class)
                                .overrideAuthority("localhost")
                        // Resolves the name on another thread.
                        : NettyChannelBuilder.forAddress(address.host(), address.port())
                                .channelType(NioSocketChannel.class, InetSocketAddress.class);
        return builder.eventLoopGroup(eventLoop)
                .usePlaintext()
                .intercept(CallProof.of(access.secret(), member.incarnation()))
                .directExecutor()
                .disableRetry();
    }
}
