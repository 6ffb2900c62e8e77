// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static dev.lockstep.cluster.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.SettingsException;
import io.grpc.BindableService;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerCallHandler;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.ServerCalls;
import io.netty.channel.EventLoopGroup;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InternalServerTest {
    private static final String INCARNATION = "0".repeat(32);
    private static final String OTHER = "1".repeat(32);
    private static final InternalServer.Limits LIMITS = new InternalServer.Limits(1 << 10, 4, 10);

    private final ClusterAccess access = ClusterAccess.of(ClusterSecret.random());
    private final EventLoopGroup loop = SocketIo.eventLoop();
    private final AtomicInteger served = new AtomicInteger();

    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private Path folder;

    /// The bytes of a message, as they are.
    static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
        @Override
        public InputStream stream(byte[] value) {
            return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private static final MethodDescriptor<byte[], byte[]> ECHO =
            MethodDescriptor.<byte[], byte[]>newBuilder()
                    .setType(MethodDescriptor.MethodType.UNARY)
                    .setFullMethodName("test.Echo/echo")
                    .setRequestMarshaller(new Bytes())
                    .setResponseMarshaller(new Bytes())
                    .build();

    private InternalServer open(Optional<String> host) throws IOException {
        return open(host, access);
    }

    private InternalServer open(Optional<String> host, ClusterAccess by) throws IOException {
        ServerCallHandler<byte[], byte[]> echo =
                ServerCalls.asyncUnaryCall(
                        (request, response) -> {
                            served.incrementAndGet();
                            response.onNext(request);
                            response.onCompleted();
                        });
        BindableService service =
                () -> ServerServiceDefinition.builder("test.Echo").addMethod(ECHO, echo).build();
        return InternalServer.open(
                new InternalAddress(InternalAddress.unix(folder, "w").socket(), host, 0),
                by,
                INCARNATION,
                LIMITS,
                loop,
                service);
    }

    @AfterEach
    void stop() {
        var _ = loop.shutdownGracefully();
    }

    private Status call(NettyChannelBuilder builder) {
        ManagedChannel channel = builder.build();
        try {
            ClientCalls.blockingUnaryCall(channel, ECHO, CallOptions.DEFAULT, new byte[] {7});
            return Status.OK;
        } catch (StatusRuntimeException e) {
            return e.getStatus();
        } finally {
            channel.shutdownNow();
        }
    }

    private Status call(MemberAddress address, ClusterAccess by, String incarnation) {
        return call(MemberChannel.to(Member.scheduler("g", address, incarnation), by, loop));
    }

    @Test
    void aCallThatProvesTheSecretIsServedOverBothListeners() throws Exception {
        try (InternalServer server = open(Optional.of("127.0.0.1"))) {
            MemberAddress tcp = MemberAddress.tcp("127.0.0.1", server.address().port());
            assertEquals(Status.OK, call(server.address(), access, INCARNATION));
            assertEquals(Status.OK, call(tcp, access, INCARNATION));
            assertEquals(2, served.get());
        }
    }

    @Test
    void aConnectionThatBreaksOffTooManyCallsIsClosed() throws Exception {
        try (InternalServer server = open(Optional.empty())) {
            Member member = Member.scheduler("g", server.address(), INCARNATION);
            ManagedChannel channel = MemberChannel.to(member, access, loop).build();
            try {
                // Before there is a connection, a call that breaks off is never sent.
                ClientCalls.blockingUnaryCall(channel, ECHO, CallOptions.DEFAULT, new byte[] {7});
                var goneAway = new CompletableFuture<Void>();
                channel.notifyWhenStateChanged(
                        ConnectivityState.READY, () -> goneAway.complete(null));
                // A call that is broken off before its stream begins is not counted.
                Eventually.await(
                        "it is closed",
                        () -> {
                            breakOff(channel);
                            return goneAway.isDone();
                        });
            } finally {
                channel.shutdownNow();
            }
            assertEquals(Status.OK, call(server.address(), access, INCARNATION));
        }
    }

    private static void breakOff(ManagedChannel channel) {
        ClientCall<byte[], byte[]> call = channel.newCall(ECHO, CallOptions.DEFAULT);
        call.start(new ClientCall.Listener<>() {}, new Metadata());
        call.sendMessage(new byte[] {7});
        call.cancel("broken off", null);
    }

    @Test
    void everyOtherCallIsRefusedBeforeItsHandler() throws Exception {
        ClusterAccess stranger = ClusterAccess.of(ClusterSecret.random());
        try (InternalServer server = open(Optional.of("127.0.0.1"))) {
            MemberAddress tcp = MemberAddress.tcp("127.0.0.1", server.address().port());
            for (MemberAddress address : new MemberAddress[] {tcp, server.address()}) {
                Status refusal = call(address, stranger, INCARNATION);
                assertEquals(Status.Code.UNAUTHENTICATED, refusal.getCode());
                assertTrue(
                        String.valueOf(refusal.getDescription()).contains("--cluster-secret-file"));
                // The proof for another process.
                assertEquals(Status.Code.UNAUTHENTICATED, call(address, access, OTHER).getCode());
            }
            assertEquals(
                    Status.Code.UNAUTHENTICATED,
                    call(NettyChannelBuilder.forAddress("127.0.0.1", tcp.port()).usePlaintext())
                            .getCode());
            assertEquals(0, served.get());
        }
    }

    @Test
    void theSocketAndItsFolderAreForTheirUserAloneWhateverTheRunFolderIs() throws Exception {
        Files.setPosixFilePermissions(folder, PosixFilePermissions.fromString("rwxrwxrwx"));
        Path socket;
        try (InternalServer server = open(Optional.empty())) {
            socket = Path.of(server.address().unixSocket());
            assertEquals("rw-------", permissions(socket));
            assertEquals("rwx------", permissions(folder.resolve("sockets")));
            assertEquals(0, server.address().port());
        }
        assertFalse(Files.exists(socket));
    }

    /// Its files may be another authority's, or a user's that others read.
    @Test
    void certificatesAreMadeInAnEmptyFolderOnly(@TempDir Path used) throws Exception {
        Files.writeString(used.resolve("notes"), "mine");
        Files.setPosixFilePermissions(used, PosixFilePermissions.fromString("rwxr-xr-x"));
        IOException refusal = assertThrows(IOException.class, () -> ClusterCertificates.make(used));
        assertEquals(used + " is not empty: name another folder", refusal.getMessage());
        assertEquals("rwxr-xr-x", permissions(used));
    }

    @Test
    void aFolderThatCannotBeUsedIsNamedWithTheSettingToChange() throws Exception {
        Files.createFile(folder.resolve("sockets"));
        IOException refusal = assertThrows(IOException.class, () -> open(Optional.empty()));
        String message = String.valueOf(refusal.getMessage());
        assertTrue(message.contains(folder.resolve("sockets").toString()), message);
        assertTrue(message.contains("--run-folder"), message);
    }

    @Test
    void overTcpCertificatesProveTheRolesOfBothSides(@TempDir Path certificates) throws Exception {
        ClusterCertificates.make(certificates);
        ClusterAccess coordinator = access.withCertificates(certificates, Member.Role.COORDINATOR);
        ClusterAccess worker = access.withCertificates(certificates, Member.Role.WORKER);
        try (InternalServer server =
                open(
                        Optional.of("127.0.0.1"),
                        access.withCertificates(certificates, Member.Role.SCHEDULER))) {
            MemberAddress tcp = MemberAddress.tcp("127.0.0.1", server.address().port());
            assertEquals(Status.OK, call(tcp, coordinator, INCARNATION));
            assertEquals(Status.Code.PERMISSION_DENIED, call(tcp, worker, INCARNATION).getCode());
            assertEquals(Status.Code.UNAVAILABLE, call(tcp, access, INCARNATION).getCode());
            // A scheduler's certificate is not a worker's.
            assertEquals(
                    Status.Code.UNAVAILABLE,
                    call(MemberChannel.to(
                                    Member.worker("g", 0, 1, tcp, INCARNATION), coordinator, loop))
                            .getCode());
            assertEquals(Status.Code.UNAUTHENTICATED, call(tcp, coordinator, OTHER).getCode());
            assertEquals(1, served.get());
        }
        Path file = certificates.resolve("worker.p12");
        assertEquals("rw-------", permissions(file));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r--r--"));
        assertRefused(
                "only its owner may read it",
                () -> access.withCertificates(certificates, Member.Role.WORKER));
    }

    @Test
    void aSocketOfAnotherHostIsNotUsed() throws Exception {
        try (InternalServer server = open(Optional.of("127.0.0.1"))) {
            MemberAddress here = server.address();
            assertTrue(here.isOnThisHost());
            var there = new MemberAddress(here.host(), here.port(), here.unixSocket(), "another");
            assertFalse(there.isOnThisHost());
            assertEquals(Status.OK, call(there, access, INCARNATION));
        }
    }

    @Test
    void anAddressWithoutAServerFailsTheCallAndNothingElse() {
        for (MemberAddress address :
                new MemberAddress[] {
                    MemberAddress.tcp("no-such-host.invalid", 1),
                    MemberAddress.unix(Path.of("/nonexistent/socket"))
                }) {
            assertEquals(
                    Status.Code.UNAVAILABLE,
                    call(address, access, INCARNATION).getCode(),
                    address::toString);
        }
    }

    @Test
    void aSocketPathThatIsTooLongIsRefusedWithItsLimit() {
        Path deep = folder.resolve("x".repeat(107));
        String message =
                assertThrows(SettingsException.class, () -> InternalAddress.unix(deep, "worker"))
                        .getMessage();
        assertTrue(String.valueOf(message).contains("at most 107 are possible"), message);
        assertTrue(String.valueOf(message).contains("--run-folder"), message);
    }

    @Test
    void aSecretIsCreatedOnceAndForItsOwnerAlone() throws Exception {
        Path file = folder.resolve("state").resolve("secret");
        byte[] first = ClusterSecret.readOrCreate(file).proof("x");
        assertEquals("rw-------", permissions(file));
        assertEquals("rwx------", permissions(folder.resolve("state")));
        assertArrayEquals(first, ClusterSecret.readOrCreate(file).proof("x"));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-r-----"));
        assertRefused(
                file + " has the permissions rw-r-----", () -> ClusterSecret.readOrCreate(file));
        Path short1 = Files.createTempFile(folder, "short", "");
        Files.writeString(short1, "abc");
        assertRefused("64 hexadecimal digits", () -> ClusterSecret.read(short1));
        assertRefused("cannot read", () -> ClusterSecret.read(folder.resolve("missing")));
    }

    private static String permissions(Path file) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(file));
    }
}
