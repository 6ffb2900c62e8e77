// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.InternalServer;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.cluster.SocketIo;
import io.grpc.BindableService;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.TimeUnit;

/// Listens for the scheduler; the event loop runs its calls. [WorkerMain] closes it.
final class WorkerServer implements AutoCloseable {
    // Messages: an admission has a whole prompt, and one step may admit every sequence. Calls: one
    // stream, and a second while one scheduler takes over from another.
    private static final InternalServer.Limits LIMITS =
            new InternalServer.Limits(64 << 20, 16, 200);

    private final EventLoopGroup loop = SocketIo.eventLoop();
    private final InternalServer server;

    private WorkerServer(
            InternalAddress address,
            ClusterAccess access,
            String incarnation,
            BindableService service) {
        try {
            server = InternalServer.open(address, access, incarnation, LIMITS, loop, service);
        } catch (IOException e) {
            closeLoop();
            throw new UncheckedIOException(String.valueOf(e.getMessage()), e);
        }
    }

    static WorkerServer open(
            InternalAddress address,
            ClusterAccess access,
            String incarnation,
            BindableService service) {
        return new WorkerServer(address, access, incarnation, service);
    }

    /// Returns the address to announce.
    MemberAddress address() {
        return server.address();
    }

    @Override
    public void close() {
        server.close();
        closeLoop();
    }

    private void closeLoop() {
        loop.shutdownGracefully(0, 100, TimeUnit.MILLISECONDS).awaitUninterruptibly(500);
    }
}
