// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ClusterSecret;
import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.InternalAddress;
import dev.lockstep.cluster.InternalServer;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.scheduler.FakeWorker;
import dev.lockstep.scheduler.StepResult;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class NettyTransportTest implements WorkerGroup.Listener {
    private static final ClusterAccess ACCESS = ClusterAccess.of(ClusterSecret.random());

    private static final String INCARNATION = "0123456789abcdef0123456789abcdef";

    private static final Member WORKER = Member.worker("g", 0, 1, "127.0.0.1", 1, INCARNATION);

    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private Path folder;

    @Override
    public void stepCompleted(WorkerGroup group, StepResult result) {}

    @Override
    public void groupLost(WorkerGroup group, GroupLoss loss) {}

    private int join(NettyTransport transport, Member member)
            throws FormationException, InterruptedException {
        try (WorkerGroup group =
                WorkerGroup.dial(1, List.of(member), transport, Clock.SYSTEM, this)) {
            return group.join("g", FakeWorker.KEY, Eventually.TIMEOUT).size();
        }
    }

    private InternalAddress address(Optional<String> host, int port) {
        return new InternalAddress(InternalAddress.unix(folder, "worker").socket(), host, port);
    }

    private static FakeRank rank() {
        return new FakeRank(WORKER, joined -> joined);
    }

    @Test
    void aWorkerIsReachedByTcp() throws Exception {
        try (var transport = new NettyTransport(ACCESS);
                InternalServer server =
                        transport.listen(
                                address(Optional.of("127.0.0.1"), 0), INCARNATION, rank())) {
            MemberAddress tcp = MemberAddress.tcp("127.0.0.1", server.address().port());
            assertEquals(1, join(transport, Member.worker("g", 0, 1, tcp, INCARNATION)));
        }
    }

    @Test
    void anInvalidAddressIsRefusedWithTheRemedy() {
        try (var transport = new NettyTransport(ACCESS)) {
            // 999 is not a byte of an address, 192.0.2.1 belongs to no host.
            for (String host : List.of("999.1.1.1", "192.0.2.1")) {
                IOException refusal =
                        assertThrows(
                                IOException.class,
                                () ->
                                        transport.listen(
                                                address(Optional.of(host), 0),
                                                INCARNATION,
                                                rank()));
                String message = String.valueOf(refusal.getMessage());
                assertTrue(message.startsWith("cannot listen on " + host + ":0: "), message);
                assertTrue(message.endsWith("choose another --port or --internal-host"), message);
            }
        }
    }

    @Test
    void aWorkerOnThisHostIsReachedByItsUnixSocket() throws Exception {
        try (var transport = new NettyTransport(ACCESS);
                InternalServer server =
                        transport.listen(address(Optional.empty(), 0), INCARNATION, rank())) {
            assertEquals(0, server.address().port());
            Member member = Member.worker("g", 0, 1, server.address(), INCARNATION);
            assertEquals(1, join(transport, member));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"Stoß é", "日本", "a%20b#c?d", "[a]:1"})
    void aFolderMayHaveAnyLetters(String name) throws Exception {
        Path socket = InternalAddress.unix(folder.resolve(name), "w").socket();
        try (var transport = new NettyTransport(ACCESS);
                InternalServer server =
                        transport.listen(
                                new InternalAddress(socket, Optional.empty(), 0),
                                INCARNATION,
                                rank())) {
            Member member = Member.worker("g", 0, 1, server.address(), INCARNATION);
            assertEquals(1, join(transport, member));
        }
    }

    @Test
    void aWorkerOfAnotherClusterIsLostWithTheReason() throws Exception {
        ClusterAccess stranger = ClusterAccess.of(ClusterSecret.random());
        try (var theirs = new NettyTransport(stranger);
                var ours = new NettyTransport(ACCESS);
                InternalServer server =
                        theirs.listen(address(Optional.empty(), 0), INCARNATION, rank())) {
            Member member = Member.worker("g", 0, 1, server.address(), INCARNATION);
            FormationException lost =
                    assertThrows(FormationException.class, () -> join(ours, member));
            assertTrue(String.valueOf(lost.getMessage()).contains("--cluster-secret-file"));
        }
    }

    @Test
    void aWorkerThatIsGoneIsLostAtOnceAndNamed() throws Exception {
        try (var transport = new NettyTransport(ACCESS)) {
            // No process listens on a port below 1024 of this loopback address.
            Member member = Member.worker("g", 0, 1, "127.0.0.87", 1, INCARNATION);
            FormationException lost =
                    assertThrows(FormationException.class, () -> join(transport, member));
            assertTrue(String.valueOf(lost.getMessage()).contains("worker g/0 at 127.0.0.87:1"));
        }
    }

    @Test
    void aPortInUseIsNamedWithTheRemedy() throws Exception {
        try (var transport = new NettyTransport(ACCESS);
                InternalServer first =
                        transport.listen(
                                address(Optional.of("127.0.0.1"), 0), INCARNATION, rank())) {
            int port = first.address().port();
            IOException refused =
                    assertThrows(
                            IOException.class,
                            () ->
                                    transport.listen(
                                            address(Optional.of("127.0.0.1"), port),
                                            INCARNATION,
                                            rank()));
            String message = String.valueOf(refused.getMessage());
            assertTrue(message.contains("127.0.0.1:" + port), message);
            assertTrue(message.contains("--port"), message);
        }
    }
}
