// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.BindableService;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.ServerCalls;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CallEndTest {
    private static final String INCARNATION = "0".repeat(32);

    private static final MethodDescriptor<byte[], byte[]> WAIT =
            MethodDescriptor.<byte[], byte[]>newBuilder()
                    .setType(MethodDescriptor.MethodType.SERVER_STREAMING)
                    .setFullMethodName("test.Wait/wait")
                    .setRequestMarshaller(new InternalServerTest.Bytes())
                    .setResponseMarshaller(new InternalServerTest.Bytes())
                    .build();

    private final ClusterAccess access = ClusterAccess.of(ClusterSecret.random());
    private final EventLoopGroup loop = SocketIo.eventLoop();
    private final BlockingQueue<String> begun = new LinkedBlockingQueue<>();
    private final BlockingQueue<Boolean> lost = new LinkedBlockingQueue<>();

    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private Path folder;

    @AfterEach
    void stop() {
        var _ = loop.shutdownGracefully();
    }

    private InternalServer open() throws IOException {
        BindableService service =
                () ->
                        ServerServiceDefinition.builder("test.Wait")
                                .addMethod(
                                        WAIT,
                                        ServerCalls.asyncServerStreamingCall(
                                                (request, response) -> {
                                                    CallEnd end = CallEnd.current();
                                                    ((ServerCallStreamObserver<byte[]>) response)
                                                            .setOnCancelHandler(
                                                                    () -> lost.add(end.isLost()));
                                                    begun.add("begun");
                                                }))
                                .build();
        return InternalServer.open(
                new InternalAddress(
                        InternalAddress.unix(folder, "w").socket(), Optional.of("127.0.0.1"), 0),
                access,
                INCARNATION,
                new InternalServer.Limits(1 << 10, 4, 10),
                loop,
                service);
    }

    private ClientCall<byte[], byte[]> call(ManagedChannel channel) throws InterruptedException {
        ClientCall<byte[], byte[]> call = channel.newCall(WAIT, CallOptions.DEFAULT);
        call.start(new ClientCall.Listener<>() {}, new Metadata());
        call.sendMessage(new byte[0]);
        call.halfClose();
        call.request(1);
        assertTrue(begun.poll(60, TimeUnit.SECONDS) != null, "the call has not begun");
        return call;
    }

    private boolean isLost() throws InterruptedException {
        Boolean found = lost.poll(60, TimeUnit.SECONDS);
        assertTrue(found != null, "the call has not ended");
        return found;
    }

    private ManagedChannel channel(int port) {
        Member member = Member.scheduler("g", MemberAddress.tcp("127.0.0.1", port), INCARNATION);
        return MemberChannel.to(member, access, loop).build();
    }

    @Test
    void aCallerThatCancelsOrClosesItsChannelIsNotLost() throws Exception {
        try (InternalServer server = open()) {
            ManagedChannel channel = channel(server.address().port());
            call(channel).cancel("enough", null);
            assertFalse(isLost());
            call(channel);
            channel.shutdownNow();
            assertFalse(isLost());
        }
    }

    @Test
    void aCallerWhoseConnectionBreaksIsLost() throws Exception {
        try (InternalServer server = open();
                ServerSocket relay = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            ManagedChannel channel = channel(relay.getLocalPort());
            Thread relays = Thread.ofVirtual().start(() -> relay(relay, server.address().port()));
            try {
                call(channel);
                relays.interrupt();
                assertTrue(isLost());
            } finally {
                channel.shutdownNow();
            }
        }
    }

    /// Passes the bytes of one connection on, until it is interrupted.
    private static void relay(ServerSocket from, int to) {
        try (Socket client = from.accept();
                Socket server = new Socket(InetAddress.getLoopbackAddress(), to)) {
            Thread back = Thread.ofVirtual().start(() -> copy(server, client));
            Thread forth = Thread.ofVirtual().start(() -> copy(client, server));
            try {
                back.join();
                forth.join();
            } catch (InterruptedException e) {
                // The sockets are closed.
            }
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static void copy(Socket from, Socket to) {
        try {
            from.getInputStream().transferTo(to.getOutputStream());
        } catch (IOException e) {
            // The test is over.
        }
    }
}
