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
    /// A status names every rank of a group, tokens may come in thousands with their alternatives,
    /// and a snapshot of the blocks takes 16 bytes for each: here a million.
    private static final int MAX_MESSAGE_BYTES = 16 << 20;

    private SchedulerChannel() {}

    /// By the member's Unix socket when it has one that exists on this host, else by TCP. Callbacks
    /// run on the event loop, so they only hand over.
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
