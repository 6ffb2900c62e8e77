// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;

/// The gRPC channels between the processes of a cluster.
public final class MemberChannel {
    private MemberChannel() {}

    /// Starts a channel to the member's Unix socket if it has one that exists on this host, else to
    /// its TCP address. Callbacks run on the event loop, so they must not block.
    public static NettyChannelBuilder to(Member member, EventLoopGroup eventLoop) {
        String socket = member.unixSocket();
        NettyChannelBuilder builder =
                !socket.isEmpty() && Files.exists(Path.of(socket))
                        ? NettyChannelBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                                .channelType(
                                        NioDomainSocketChannel.class, UnixDomainSocketAddress.class)
                                .overrideAuthority("localhost")
                        : NettyChannelBuilder.forAddress(
                                        new InetSocketAddress(member.host(), member.port()))
                                .channelType(NioSocketChannel.class, InetSocketAddress.class);
        return builder.eventLoopGroup(eventLoop).usePlaintext().directExecutor().disableRetry();
    }
}
