// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberChannel;
import io.grpc.BindableService;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.nio.channels.UnresolvedAddressException;
import java.util.concurrent.TimeUnit;

/// The connections of the process: a server for coordinators, channels to workers, and the one
/// thread that does their I/O. [SchedulerMain] closes it, after everything that uses it.
final class NettyTransport implements Dialer, AutoCloseable {
    // A prompt of a million ids, five bytes each, and the other fields of its message.
    private static final int MAX_MESSAGE_BYTES = 8 << 20;

    // The hidden states of a step of 8,192 tokens with 8,192 values each take half of this.
    private static final int MAX_RESULT_BYTES = 512 << 20;

    // Handlers only parse and pass messages on, so one thread is enough and calls run on it
    // directly.
    private final EventLoopGroup eventLoop =
            new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());

    @Override
    public ManagedChannel dial(Member member) {
        return MemberChannel.to(member, eventLoop).maxInboundMessageSize(MAX_RESULT_BYTES).build();
    }

    /// Starts a server that listens on `host:port`; port 0 chooses a free one.
    Server listen(String host, int port, BindableService service) throws IOException {
        try {
            return NettyServerBuilder.forAddress(new InetSocketAddress(host, port))
                    .channelType(NioServerSocketChannel.class)
                    .bossEventLoopGroup(eventLoop)
                    .workerEventLoopGroup(eventLoop)
                    .directExecutor()
                    .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                    .addService(service)
                    .build()
                    .start();
        } catch (IOException e) {
            if (e.getCause() instanceof BindException
                    || e.getCause() instanceof UnresolvedAddressException) {
                throw new IOException(
                        "cannot listen on "
                                + host
                                + ":"
                                + port
                                + ": "
                                + (e.getCause() instanceof BindException
                                        ? e.getCause().getMessage()
                                        : "no such address")
                                + "; choose another --port or --host",
                        e);
            }
            throw e;
        }
    }

    @Override
    public void close() {
        Future<?> stopped = eventLoop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        stopped.awaitUninterruptibly(1, TimeUnit.SECONDS);
    }
}
