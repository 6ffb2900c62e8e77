// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/// Listens for the scheduler: on a Unix socket for a scheduler on this host, on TCP for a remote
/// one. [WorkerMain] closes it.
final class WorkerServer implements AutoCloseable {
    /// An admission has a whole prompt, and one step may admit every sequence.
    private static final int MAX_MESSAGE_BYTES = 64 << 20;

    /// The longest path of a Unix socket on Linux, in bytes.
    private static final int LONGEST_SOCKET_PATH = 107;

    private final EventLoopGroup loops =
            new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
    private final ExecutorService calls = Executors.newVirtualThreadPerTaskExecutor();
    private final Server tcp;
    private final Server unix;
    private final Path socket;

    private WorkerServer(String host, int port, Path socket, BindableService service)
            throws IOException {
        this.socket = socket;
        Files.deleteIfExists(socket);
        this.tcp =
                builder(new InetSocketAddress(host, port), service)
                        .channelType(NioServerSocketChannel.class)
                        .build();
        this.unix =
                builder(UnixDomainSocketAddress.of(socket), service)
                        .channelType(NioServerDomainSocketChannel.class)
                        .build();
    }

    static WorkerServer open(String host, int port, Path socket, BindableService service) {
        int length = socket.toString().getBytes(StandardCharsets.UTF_8).length;
        if (length > LONGEST_SOCKET_PATH) {
            throw new UncheckedIOException(
                    "the Unix socket "
                            + socket
                            + " would have a path of "
                            + length
                            + " bytes, at most "
                            + LONGEST_SOCKET_PATH
                            + " are possible: choose a shorter --run-folder",
                    new IOException("path too long"));
        }
        try {
            var server = new WorkerServer(host, port, socket, service);
            try {
                server.tcp.start();
                server.unix.start();
            } catch (IOException e) {
                server.close();
                throw e;
            }
            return server;
        } catch (IOException e) {
            throw new UncheckedIOException(
                    "cannot listen on %s:%d and %s: %s"
                            .formatted(host, port, socket, e.getMessage()),
                    e);
        }
    }

    int port() {
        return tcp.getPort();
    }

    Path socket() {
        return socket;
    }

    private NettyServerBuilder builder(SocketAddress address, BindableService service) {
        return NettyServerBuilder.forAddress(address)
                .bossEventLoopGroup(loops)
                .workerEventLoopGroup(loops)
                .executor(calls)
                .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                .addService(service);
    }

    @Override
    public void close() {
        tcp.shutdownNow();
        unix.shutdownNow();
        calls.shutdownNow();
        loops.shutdownGracefully(0, 100, TimeUnit.MILLISECONDS).awaitUninterruptibly(500);
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + socket, e);
        }
    }
}
