// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static dev.lockstep.cluster.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.LogEvent;
import org.apache.logging.log4j.core.Logger;
import org.apache.logging.log4j.core.appender.AbstractAppender;
import org.apache.logging.log4j.core.config.Property;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZKUtil;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.common.X509Util;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

@Execution(ExecutionMode.CONCURRENT)
class ZooKeeperClusterTest extends ClusterContract {

    private static final ClusterAccess ACCESS = ClusterAccess.of(ClusterSecret.random());
    private static final AtomicInteger TESTS = new AtomicInteger();

    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private static Path data;

    @SuppressWarnings("NullAway.Init") // set before all
    private static EmbeddedZooKeeper server;

    @SuppressWarnings("NullAway.Init") // set before all
    private static ZooKeeper direct;

    private final String name = "test-" + TESTS.incrementAndGet();

    @BeforeAll
    static void startServer() throws IOException {
        server = EmbeddedZooKeeper.start(data, 0, ACCESS);
        direct = client(ACCESS.zooKeeper());
    }

    /// Returns a client of ZooKeeper as any program can make it.
    private static ZooKeeper client(ZooKeeperAuth auth) throws IOException {
        var config = new ZKClientConfig();
        config.setProperty(ZKClientConfig.LOGIN_CONTEXT_NAME_KEY, ZooKeeperLogins.client(auth));
        config.setProperty(X509Util.FIPS_MODE_PROPERTY, "false");
        return new ZooKeeper(server.connectString(), 6000, event -> {}, config);
    }

    @AfterAll
    static void stopServer() throws InterruptedException {
        direct.close();
        server.close();
    }

    @Override
    Cluster connect() {
        return ZooKeeperCluster.connect(server.connectString(), name, ACCESS);
    }

    @Override
    void loseSession(Cluster cluster) throws Exception {
        server.expire(((ZooKeeperCluster) cluster).session());
    }

    @Override
    void awaitSecondContender(Cluster cluster) throws InterruptedException {
        Eventually.await(
                "two contenders", () -> childCount("/lockstep/" + name + "/election/a") == 2);
    }

    @Test
    void clustersThatShareAZooKeeperDoNotSeeEachOther() throws Exception {
        Cluster one = open();
        Member member = worker("a", 0);
        one.register(member);
        awaitMembers(one, member);
        try (Cluster other =
                ZooKeeperCluster.connect(server.connectString(), name + "-other", ACCESS)) {
            assertTrue(other.awaitConnected(Eventually.TIMEOUT));
            Member stranger = worker("a", 1);
            other.register(stranger);
            awaitMembers(other, stranger);
            awaitMembers(one, member);
        }
        assertRefused(
                "cluster \"a/b\"",
                () -> ZooKeeperCluster.connect(server.connectString(), "a/b", ACCESS));
    }

    @Test
    void nodesThatAreNotMembersAreIgnored() throws Exception {
        Cluster one = open();
        Member first = worker("a", 0);
        one.register(first);
        awaitMembers(one, first);
        direct.create(
                "/lockstep/" + name + "/members/garbage",
                "{\"role\":".getBytes(StandardCharsets.UTF_8),
                ZooDefs.Ids.OPEN_ACL_UNSAFE,
                CreateMode.PERSISTENT);
        // An address that nothing can connect to, or that would break who tries.
        for (String address : List.of("\"host\":\"a b\"", "\"unixSocket\":\"\\u0000\"")) {
            String json =
                    new String(MemberJson.write(worker("a", 1)), StandardCharsets.UTF_8)
                            .replaceFirst("\"attributes\"", address.replace("\\", "\\\\") + ",$0");
            direct.create(
                    "/lockstep/" + name + "/members/" + address.hashCode(),
                    json.getBytes(StandardCharsets.UTF_8),
                    ZooDefs.Ids.CREATOR_ALL_ACL,
                    CreateMode.PERSISTENT);
        }
        Member second = worker("a", 1);
        one.register(second);
        awaitMembers(one, first, second);
    }

    @Test
    void everyNodeBelongsToTheClusterAlone() throws Exception {
        Cluster one = open();
        Member member = worker("a", 0);
        one.register(member);
        var listener = new RecordingListener();
        Leadership leader = one.contend("a", "first", listener);
        listener.awaitCalls("elected");
        assertEquals(OptionalLong.of(1), leader.nextEpoch(0));
        one.blockHashKey();
        awaitMembers(one, member);
        List<ACL> own = List.of(new ACL(ZooDefs.Perms.ALL, new Id("sasl", "lockstep")));
        List<String> nodes = ZKUtil.listSubTreeBFS(direct, "/lockstep/" + name);
        assertTrue(nodes.size() >= 8, nodes::toString);
        for (String node : nodes) {
            assertEquals(own, direct.getACL(node, new Stat()), node);
        }
    }

    @Test
    void whoDoesNotKnowTheSecretCanDoNothing() throws Exception {
        ClusterAccess stranger = ClusterAccess.of(ClusterSecret.random());
        var open = new ZKClientConfig();
        open.setProperty(ZKClientConfig.ENABLE_CLIENT_SASL_KEY, "false");
        for (ZooKeeper client :
                List.of(
                        client(stranger.zooKeeper()),
                        new ZooKeeper(server.connectString(), 6000, event -> {}, open))) {
            assertThrows(KeeperException.class, () -> client.getChildren("/", false));
            assertThrows(
                    KeeperException.class,
                    () ->
                            client.create(
                                    "/x",
                                    new byte[0],
                                    ZooDefs.Ids.OPEN_ACL_UNSAFE,
                                    CreateMode.PERSISTENT));
            client.close();
        }
        try (Cluster cluster = ZooKeeperCluster.connect(server.connectString(), name, stranger)) {
            String refusal =
                    assertThrows(IllegalStateException.class, cluster::blockHashKey).toString();
            assertTrue(refusal.contains("--cluster-secret-file"), refusal);
        }
    }

    /// The line that names the remedy is not followed by others.
    @Test
    void aRefusalIsReportedOnce() throws Exception {
        var levels = new ConcurrentLinkedQueue<Level>();
        Thread own = Thread.currentThread();
        String line =
                "the client of ZooKeeper at %s had ended, and connects anew"
                        .formatted(server.connectString());
        var appender =
                new AbstractAppender("ended", null, null, true, Property.EMPTY_ARRAY) {
                    @Override
                    public void append(LogEvent event) {
                        // Clients of the tests beside this one end, too.
                        if (Thread.currentThread().equals(own)
                                && event.getMessage().getFormattedMessage().equals(line)) {
                            levels.add(event.getLevel());
                        }
                    }
                };
        appender.start();
        var log = (Logger) LogManager.getLogger(ZooKeeperTree.class);
        Level before = log.getLevel();
        log.addAppender(appender);
        log.setLevel(Level.DEBUG);
        ZooKeeperAuth stranger = ClusterAccess.of(ClusterSecret.random()).zooKeeper();
        try (var tree =
                new ZooKeeperTree(server.connectString(), "/lockstep", name, stranger, () -> {})) {
            tree.start();
            Eventually.await("a refusal", () -> tree.problem().isPresent());
            Eventually.await(
                    "two logins",
                    () -> {
                        tree.logInAgain();
                        return levels.size() >= 2;
                    });
        } finally {
            log.removeAppender(appender);
            log.setLevel(before);
        }
        assertEquals(Set.of(Level.DEBUG), Set.copyOf(levels));
    }

    @Test
    void aForeignServerAtTheAddressOnlyDelaysTheCluster(@TempDir Path theirs, @TempDir Path ours)
            throws Exception {
        ClusterAccess stranger = ClusterAccess.of(ClusterSecret.random());
        int port = ReservedPorts.next();
        EmbeddedZooKeeper foreign = EmbeddedZooKeeper.start(theirs, port, stranger);
        try (Cluster cluster = ZooKeeperCluster.connect(foreign.connectString(), name, ACCESS)) {
            try {
                assertThrows(IllegalStateException.class, cluster::blockHashKey);
            } finally {
                foreign.close();
            }
            try (EmbeddedZooKeeper own = EmbeddedZooKeeper.start(ours, port, ACCESS)) {
                Member member = worker("a", 0);
                cluster.register(member);
                awaitMembers(cluster, member);
                assertEquals(port, own.port());
            }
        }
    }

    @Test
    void aRootThatOthersCanChangeIsRefused() throws Exception {
        open().blockHashKey();
        String root = "/lockstep/" + name + "-open";
        direct.create(root, new byte[0], ZooDefs.Ids.OPEN_ACL_UNSAFE, CreateMode.PERSISTENT);
        try (Cluster cluster =
                ZooKeeperCluster.connect(server.connectString(), name + "-open", ACCESS)) {
            cluster.register(worker("a", 0));
            String refusal =
                    assertThrows(IllegalStateException.class, cluster::blockHashKey).toString();
            assertTrue(refusal.contains(root + " in ZooKeeper"), refusal);
            assertEquals(List.of(), direct.getChildren(root, false));
            assertEquals(List.of(), cluster.membership().snapshot().members());
        }
    }

    @Test
    void aProcessMayStartBeforeZooKeeper(@TempDir Path folder) throws Exception {
        int port = ReservedPorts.next();
        try (Cluster early = ZooKeeperCluster.connect("127.0.0.1:" + port, name, ACCESS)) {
            Member member = worker("a", 0);
            early.register(member);
            var listener = new RecordingListener();
            Leadership leader = early.contend("a", "early", listener);
            assertFalse(early.awaitConnected(Duration.ofMillis(300)));
            assertEquals(OptionalLong.empty(), leader.nextEpoch(0));
            try (EmbeddedZooKeeper late = EmbeddedZooKeeper.start(folder, port, ACCESS)) {
                assertEquals(port, late.port());
                assertTrue(early.awaitConnected(Eventually.TIMEOUT));
                awaitMembers(early, member);
                listener.awaitCalls("elected");
            }
        }
    }

    @Test
    void servingContinuesDuringAndAfterAZooKeeperOutage(@TempDir Path folder) throws Exception {
        outage(folder, folder);
    }

    @Test
    void aWipedZooKeeperIsFilledAgainAndEpochsStillIncrease(
            @TempDir Path before, @TempDir Path after) throws Exception {
        outage(before, after);
    }

    private void outage(Path before, Path after) throws Exception {
        int port = ReservedPorts.next();
        EmbeddedZooKeeper running = EmbeddedZooKeeper.start(before, port, ACCESS);
        String address = running.connectString();
        Member first = worker("a", 0);
        Member second = worker("a", 1);
        var listener = new RecordingListener();
        try (Cluster one = ZooKeeperCluster.connect(address, name, ACCESS);
                Cluster two = ZooKeeperCluster.connect(address, name, ACCESS)) {
            Registration registration = one.register(first);
            awaitMembers(two, first);
            two.register(second);
            awaitMembers(one, first, second);
            Leadership leader = one.contend("a", "first", listener);
            listener.awaitCalls("elected");
            assertEquals(OptionalLong.of(1), leader.nextEpoch(0));

            running.close();
            Eventually.await("disconnected", () -> !one.connected() && !two.connected());
            awaitMembers(one, first, second);
            assertTrue(leader.leading());
            assertEquals(OptionalLong.of(2), leader.nextEpoch(1));
            registration.ready();

            running = EmbeddedZooKeeper.start(after, EmbeddedZooKeeper.LOOPBACK, port, ACCESS);
            Member ready = first.withState(Member.State.READY);
            Eventually.await(
                    "both announced",
                    () ->
                            two.membership()
                                    .snapshot()
                                    .find(first.incarnation())
                                    .equals(Optional.of(ready)));
            try (Cluster fresh = ZooKeeperCluster.connect(address, name, ACCESS)) {
                Eventually.await(
                        () -> "seen by a new process: " + fresh.membership().snapshot(),
                        () ->
                                fresh.membership().snapshot().find(ready.incarnation()).isPresent()
                                        && fresh.membership()
                                                .snapshot()
                                                .find(second.incarnation())
                                                .isPresent());
                var secondListener = new RecordingListener();
                Leadership standby = fresh.contend("a", "second", secondListener);
                assertTrue(leader.leading());
                leader.close();
                secondListener.awaitCalls("elected");
                // Epoch 2, taken without ZooKeeper, was written into the counter when ZooKeeper
                // returned.
                assertEquals(OptionalLong.of(3), standby.nextEpoch(0));
            }
            listener.awaitCalls("elected");
        } finally {
            running.close();
        }
    }

    private static int childCount(String path) {
        try {
            return direct.getChildren(path, false).size();
        } catch (KeeperException | InterruptedException e) {
            return 0;
        }
    }

    /// The killed process left its socket without a listener, its file, and its session.
    @Test
    void aKilledContenderIsReplacedWithoutASessionTimeout(@TempDir Path sockets) throws Exception {
        ZooKeeperCluster killed = ZooKeeperCluster.connect(server.connectString(), name, ACCESS);
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            Path socket = sockets.resolve("scheduler-1.sock");
            listener.bind(UnixDomainSocketAddress.of(socket));
            Leadership lost = killed.contend("g", "killed", new RecordingListener());
            killed.handOverSession(socket);
            Eventually.await("it leads", lost::leading);
            Eventually.await(
                    "its session is kept",
                    () -> Files.exists(sockets.resolve("scheduler-1.sock.session")));
            assertEquals(
                    "rw-------",
                    PosixFilePermissions.toString(
                            Files.getPosixFilePermissions(
                                    sockets.resolve("scheduler-1.sock.session"))));
            try (ZooKeeperCluster living =
                    ZooKeeperCluster.connect(server.connectString(), name, ACCESS)) {
                Path other = sockets.resolve("scheduler-2.sock");
                Files.createFile(other);
                Leadership next = living.contend("g", "next", new RecordingListener());
                living.handOverSession(other);
                Eventually.await(
                        "its own session is kept",
                        () -> Files.exists(sockets.resolve("scheduler-2.sock.session")));
                assertFalse(next.leading(), "the first one listens");
            }
        }
        try (ZooKeeperCluster next =
                ZooKeeperCluster.connect(server.connectString(), name, ACCESS)) {
            long session = killed.session();
            Leadership leads = next.contend("g", "after", new RecordingListener());
            next.handOverSession(sockets.resolve("scheduler-3.sock"));
            Eventually.await("the next one leads", leads::leading);
            Eventually.await("the session has ended", () -> killed.session() != session);
        } finally {
            killed.close();
        }
    }

    /// The standby does not know that the leader was killed; the process that started both does.
    @Test
    void aStandbyLeadsWithoutASessionTimeout(@TempDir Path sockets) throws Exception {
        ZooKeeperCluster killed = ZooKeeperCluster.connect(server.connectString(), name, ACCESS);
        Path none = sockets.resolve("none.sock");
        try (ZooKeeperCluster standby =
                        ZooKeeperCluster.connect(server.connectString(), name, ACCESS);
                ZooKeeperCluster starter =
                        ZooKeeperCluster.connect(server.connectString(), name, ACCESS)) {
            long session;
            Leadership next;
            try (ServerSocketChannel listener =
                    ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
                Path socket = sockets.resolve("scheduler-1.sock");
                listener.bind(UnixDomainSocketAddress.of(socket));
                Leadership lost = killed.contend("g", "killed", new RecordingListener());
                killed.handOverSession(socket);
                Eventually.await("it leads", lost::leading);
                Eventually.await(
                        "its session is kept",
                        () -> Files.exists(sockets.resolve("scheduler-1.sock.session")));
                next = standby.contend("g", "standby", new RecordingListener());
                session = killed.session();
                starter.endSessionsOfKilled(none);
                assertFalse(next.leading(), "the leader listens");
            }
            starter.endSessionsOfKilled(none);
            Eventually.await("the standby leads", next::leading);
            Eventually.await("the session has ended", () -> killed.session() != session);
        } finally {
            killed.close();
        }
    }
}
