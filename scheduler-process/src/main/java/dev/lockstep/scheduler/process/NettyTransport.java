// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.InternalServer;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberChannel;
import dev.lockstep.cluster.SocketIo;
import io.grpc.BindableService;
import io.grpc.ManagedChannel;
import io.netty.channel.EventLoopGroup;
import io.netty.util.concurrent.Future;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/// The connections of the process: a server for coordinators, channels to workers, and the one
/// thread that does their I/O. [SchedulerMain] closes it, after everything that uses it.
final class NettyTransport implements Dialer, AutoCloseable {
    // Messages: a prompt of a million ids, five bytes each, and the other fields. Calls and
    // resets: one call for each request of a coordinator, which breaks off the call of a client
    // that leaves and of a text that ends at a stop string.
    private static final InternalServer.Limits LIMITS =
            new InternalServer.Limits(8 << 20, 16_384, 20_000);

    // The hidden states of a step of 8,192 tokens with 8,192 values each take half of this.
    private static final int MAX_RESULT_BYTES = 512 << 20;

    // Handlers only parse and pass messages on, so one thread is enough and calls run on it
    // directly.
    private final EventLoopGroup eventLoop = SocketIo.eventLoop();

    private final ClusterAccess access;

    NettyTransport(ClusterAccess access) {
        this.access = access;
    }

    @Override
    public ManagedChannel dial(Member member) {
        return MemberChannel.to(member, access, eventLoop)
                .maxInboundMessageSize(MAX_RESULT_BYTES)
                .build();
    }

    /// Starts to listen for coordinators.
    ///
    /// @param incarnation of this process
    InternalServer listen(InternalAddress address, String incarnation, BindableService service)
            throws IOException {
        return InternalServer.open(address, access, incarnation, LIMITS, eventLoop, service);
    }

    @Override
    public void close() {
        Future<?> stopped = eventLoop.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        stopped.awaitUninterruptibly(1, TimeUnit.SECONDS);
    }
}
