// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import dev.lockstep.cluster.Member;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.socket.nio.NioDomainSocketChannel;
import io.netty.channel.socket.nio.NioSocketChannel;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/// Opens connections to schedulers.
final class SchedulerChannel {
    /// Room for a status with every rank of a group, for thousands of tokens with their
    /// alternatives, and for a snapshot of a million blocks of 16 bytes each.
    private static final int MAX_MESSAGE_BYTES = 16 << 20;

    private SchedulerChannel() {}

    /// Connects to the member's Unix socket if it has one that exists on this host, else by TCP.
    /// Callbacks run on the event loop, so they must not block.
    static ManagedChannel open(Member member, EventLoopGroup eventLoop) {
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
        return builder.eventLoopGroup(eventLoop)
                .usePlaintext()
                .directExecutor()
                .disableRetry()
                .idleTimeout(1, TimeUnit.DAYS)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .build();
    }
}
