// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.StepResult;
import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioServerDomainSocketChannel;
import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NettyTransportTest implements WorkerGroup.Listener {
    private static final String INCARNATION = "0123456789abcdef0123456789abcdef";

    private static final Member WORKER = Member.worker("g", 0, 1, "127.0.0.1", 1, INCARNATION);

    @Override
    public void stepCompleted(WorkerGroup group, StepResult result) {}

    @Override
    public void groupLost(WorkerGroup group, String reason) {}

    private int join(NettyTransport transport, Member member)
            throws FormationException, InterruptedException {
        try (var group = new WorkerGroup(1, List.of(member), transport, Clock.SYSTEM, this)) {
            return group.join("g", FakeWorker.KEY, Eventually.TIMEOUT).size();
        }
    }

    @Test
    void aWorkerIsReachedByTcp() throws Exception {
        try (var transport = new NettyTransport()) {
            Member announced = Member.worker("g", 0, 1, "127.0.0.1", 1, INCARNATION);
            Server server =
                    transport.listen("127.0.0.1", 0, new FakeRank(announced, joined -> joined));
            Member member = Member.worker("g", 0, 1, "127.0.0.1", server.getPort(), INCARNATION);
            assertEquals(1, join(transport, member));
            server.shutdownNow();
        }
    }

    @Test
    void anInvalidAddressIsRefusedWithTheRemedy() {
        try (var transport = new NettyTransport()) {
            // 999 is not a byte of an address, 192.0.2.1 belongs to no host.
            for (String host : List.of("999.1.1.1", "192.0.2.1")) {
                IOException refusal =
                        assertThrows(
                                IOException.class,
                                () -> transport.listen(host, 0, new FakeRank(WORKER, it -> it)));
                String message = String.valueOf(refusal.getMessage());
                assertTrue(message.startsWith("cannot listen on " + host + ":0: "), message);
                assertTrue(message.endsWith("choose another --port or --host"), message);
            }
        }
    }

    @Test
    void aWorkerOnThisHostIsReachedByItsUnixSocket(@TempDir Path folder) throws Exception {
        Path socket = folder.resolve("worker.sock");
        var eventLoop = new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory());
        Member member =
                Member.worker("g", 0, 1, "127.0.0.1", 1, INCARNATION)
                        .withUnixSocket(socket.toString());
        Server server =
                NettyServerBuilder.forAddress(UnixDomainSocketAddress.of(socket))
                        .channelType(NioServerDomainSocketChannel.class)
                        .bossEventLoopGroup(eventLoop)
                        .workerEventLoopGroup(eventLoop)
                        .addService(new FakeRank(member, joined -> joined))
                        .build()
                        .start();
        try (var transport = new NettyTransport()) {
            assertEquals(1, join(transport, member));
        } finally {
            server.shutdownNow();
            eventLoop.shutdownGracefully().awaitUninterruptibly(2000);
        }
    }

    @Test
    void aWorkerThatIsGoneIsLostAtOnceAndNamed() throws Exception {
        try (var transport = new NettyTransport()) {
            // No process listens on a port below 1024 of this loopback address.
            Member member = Member.worker("g", 0, 1, "127.0.0.87", 1, INCARNATION);
            FormationException lost =
                    assertThrows(FormationException.class, () -> join(transport, member));
            assertTrue(String.valueOf(lost.getMessage()).contains("worker g/0 at 127.0.0.87:1"));
        }
    }

    @Test
    void aPortInUseIsNamedWithTheRemedy() throws Exception {
        try (var transport = new NettyTransport()) {
            Server first =
                    transport.listen(
                            "127.0.0.1", 0, new SchedulerService("g", new BlockJournal("test")));
            IOException refused =
                    assertThrows(
                            IOException.class,
                            () ->
                                    transport.listen(
                                            "127.0.0.1",
                                            first.getPort(),
                                            new SchedulerService("g", new BlockJournal("test"))));
            String message = String.valueOf(refused.getMessage());
            assertTrue(message.contains("127.0.0.1:" + first.getPort()), message);
            assertTrue(message.contains("--port"), message);
            first.shutdownNow();
        }
    }
}
