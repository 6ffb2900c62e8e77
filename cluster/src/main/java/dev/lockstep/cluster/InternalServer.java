// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.OwnerOnly;
import io.grpc.BindableService;
import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// Serves the other processes of the cluster, and refuses everyone else: its Unix socket is for its
/// own user alone, and each call must prove the cluster's secret. The process that opens it closes
/// it.
public final class InternalServer implements AutoCloseable {
    private static final Logger LOG = LogManager.getLogger(InternalServer.class);

    private static final int MAX_METADATA_BYTES = 8 << 10;
    private static final int RESET_WINDOW_SECONDS = 30;
    private static final long MIN_KEEP_ALIVE_SECONDS = 5;

    private final Path socket;
    private final List<Server> servers = new ArrayList<>();
    private final MemberAddress address;

    /// Upper bounds of what one connection may ask for.
    ///
    /// @param messageBytes of one message
    /// @param calls at a time
    /// @param resets calls that its peer breaks off in 30 s
    public record Limits(int messageBytes, int calls, int resets) {}

    private InternalServer(InternalAddress where, Starter starter) throws IOException {
        socket = where.socket();
        try {
            makeFolder(socket);
            DeadSockets.remove(socket.resolveSibling(""));
            servers.add(
                    starter.start(
                            starter.builder(SocketIo.unixAddress(socket))
                                    .channelType(SocketIo.unixServer())));
            Files.setPosixFilePermissions(socket, OwnerOnly.FILE.value());
            address =
                    where.host().isPresent()
                            ? listen(where.host().get(), where.port(), starter).andUnix(socket)
                            : MemberAddress.unix(socket);
        } catch (IOException | RuntimeException e) {
            try {
                close();
            } catch (UncheckedIOException inner) {
                e.addSuppressed(inner);
            }
            throw e;
        }
    }

    /// Starts to listen. Calls run on the event loop, so they must not block.
    ///
    /// @param incarnation of this process, for which calls must prove the secret
    /// @throws IOException with one line that names the address and the setting to change
    public static InternalServer open(
            InternalAddress where,
            ClusterAccess access,
            String incarnation,
            Limits limits,
            EventLoopGroup eventLoop,
            BindableService service)
            throws IOException {
        CallProof proof = CallProof.of(access.secret(), incarnation);
        return new InternalServer(
                where, new Starter(proof, access.tls(), limits, eventLoop, service));
    }

    /// Returns the address to announce.
    public MemberAddress address() {
        return address;
    }

    private MemberAddress listen(String host, int port, Starter starter) throws IOException {
        try {
            Server server =
                    starter.start(
                            starter.secured(new InetSocketAddress(host, port))
                                    .channelType(SocketIo.tcpServer()));
            servers.add(server);
            return MemberAddress.tcp(AnnouncedHost.of(host), server.getPort());
        } catch (IOException e) {
            throw new IOException(
                    "cannot listen on %s:%d: %s; choose another --port or --internal-host"
                            .formatted(host, port, reason(e)),
                    e);
        }
    }

    private static String reason(IOException failure) {
        return switch (failure.getCause()) {
            case BindException e -> String.valueOf(e.getMessage());
            case UnresolvedAddressException _ -> "no such address";
            case null, default -> String.valueOf(failure.getMessage());
        };
    }

    private static void makeFolder(Path socket) throws IOException {
        Path folder = socket.getParent();
        try {
            Files.createDirectories(folder, OwnerOnly.FOLDER);
            // Fails for a folder of another user.
            Files.setPosixFilePermissions(folder, OwnerOnly.FOLDER.value());
        } catch (IOException e) {
            throw new IOException(
                    "cannot use the folder %s for Unix sockets: %s; choose another --run-folder"
                            .formatted(
                                    folder, e.getClass().getSimpleName().replace("Exception", "")),
                    e);
        }
    }

    /// What both listeners have in common.
    private record Starter(
            CallProof proof,
            Optional<TlsIdentity> tls,
            Limits limits,
            EventLoopGroup eventLoop,
            BindableService service) {

        NettyServerBuilder builder(SocketAddress at) {
            NettyServerBuilder builder = NettyServerBuilder.forAddress(at);
            return builder.directExecutor()
                    .bossEventLoopGroup(eventLoop)
                    .workerEventLoopGroup(eventLoop)
                    .maxInboundMessageSize(limits.messageBytes())
                    .maxInboundMetadataSize(MAX_METADATA_BYTES)
                    .maxConcurrentCallsPerConnection(limits.calls())
                    .maxRstFramesPerWindow(limits.resets(), RESET_WINDOW_SECONDS)
                    .permitKeepAliveTime(MIN_KEEP_ALIVE_SECONDS, TimeUnit.SECONDS)
                    .permitKeepAliveWithoutCalls(true)
                    .intercept(proof)
                    .addStreamTracerFactory(CallEnd.FACTORY)
                    .addService(service);
        }

        /// Returns a builder for TCP. The interceptor that was added last runs first.
        NettyServerBuilder secured(InetSocketAddress at) throws IOException {
            NettyServerBuilder builder = builder(at);
            if (tls.isPresent()) {
                return builder.sslContext(tls.get().server()).intercept(tls.get().callers());
            }
            if (!at.isUnresolved() && !at.getAddress().isLoopbackAddress()) {
                LOG.warn(
                        "{} is not loopback and there is no --tls-folder: prompts are sent in the clear",
                        at);
            }
            return builder;
        }

        Server start(NettyServerBuilder builder) throws IOException {
            return builder.build().start();
        }
    }

    @Override
    public void close() {
        servers.forEach(Server::shutdownNow);
        try {
            Files.deleteIfExists(socket);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + socket, e);
        }
    }
}
