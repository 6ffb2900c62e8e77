// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.Randomness;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.common.X509Util;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// One process whose connection to ZooKeeper fails while others have theirs, and nodes with damaged
/// content.
@Tag("processes")
@Timeout(300)
@Execution(ExecutionMode.CONCURRENT)
final class ZooKeeperFaultsTest {
    private static final ClusterAccess ACCESS = ClusterAccess.of(ClusterSecret.random());
    private static final AtomicInteger TESTS = new AtomicInteger();

    private final String name = "faults-" + TESTS.incrementAndGet();
    private final Randomness randomness = Randomness.seeded(TESTS.get());

    @TempDir
    @SuppressWarnings("NullAway.Init") // JUnit sets it
    private Path data;

    @SuppressWarnings("NullAway.Init") // set before each
    private EmbeddedZooKeeper server;

    @SuppressWarnings("NullAway.Init") // set before each
    private FaultProxy proxy;

    /// Its connection fails.
    @SuppressWarnings("NullAway.Init") // set before each
    private Cluster far;

    @SuppressWarnings("NullAway.Init") // set before each
    private Cluster near;

    private final RecordingListener farListener = new RecordingListener();
    private final RecordingListener nearListener = new RecordingListener();

    @BeforeEach
    void start() throws Exception {
        server = EmbeddedZooKeeper.start(data, 0, ACCESS);
        proxy = new FaultProxy(server.port());
        far = ZooKeeperCluster.connect("127.0.0.1:" + proxy.port(), name, ACCESS);
        near = ZooKeeperCluster.connect(server.connectString(), name, ACCESS);
        assertTrue(far.awaitConnected(Eventually.TIMEOUT));
        assertTrue(near.awaitConnected(Eventually.TIMEOUT));
    }

    @AfterEach
    void stop() {
        near.close();
        far.close();
        proxy.close();
        server.close();
    }

    private Member worker() {
        return Member.worker("a", 0, 1, "127.0.0.1", 4000, randomness.nextIncarnation());
    }

    private Leadership lead() throws InterruptedException {
        Leadership leader = far.contend("a", "far", farListener);
        farListener.awaitCalls("elected");
        return leader;
    }

    /// The workers, which see ZooKeeper, refuse what the cut-off leader takes: it was not given
    /// out, or another contender has it already.
    @Test
    void aLeaderThatIsCutOffAloneGetsNoEpochThatIsGivenOut() throws Exception {
        Leadership leader = lead();
        assertEquals(OptionalLong.of(1), leader.nextEpoch(0));
        Leadership rival = near.contend("a", "near", nearListener);
        proxy.cut(FaultProxy.Direction.TO_SERVER, FaultProxy.Direction.TO_CLIENT);
        nearListener.awaitCalls("elected");
        assertEquals(OptionalLong.of(2), rival.nextEpoch(1));
        assertEquals(OptionalLong.of(2), near.givenEpoch("a"));
        leader.nextEpoch(1);
        assertEquals(OptionalLong.of(2), near.givenEpoch("a"));
        proxy.heal();
        farListener.awaitCalls("elected", "deposed");
        assertEquals(OptionalLong.empty(), leader.nextEpoch(2));
        assertEquals(OptionalLong.of(3), rival.nextEpoch(2));
    }

    /// A connection that loses one direction is noticed as one that loses both.
    @ParameterizedTest
    @ValueSource(strings = {"TO_SERVER", "TO_CLIENT"})
    void aMemberThatIsCutOffInOneDirectionIsGoneAndComesBack(FaultProxy.Direction direction)
            throws Exception {
        Member member = worker();
        far.register(member);
        ClusterContract.awaitMembers(near, member);
        // It reads its own announcement a moment later, and keeps what it has read.
        ClusterContract.awaitMembers(far, member);
        proxy.cut(direction);
        ClusterContract.awaitMembers(near);
        ClusterContract.awaitMembers(far, member);
        proxy.heal();
        ClusterContract.awaitMembers(near, member);
    }

    @Test
    void brokenConnectionsCostNoSession() throws Exception {
        Member member = worker();
        Registration registration = far.register(member);
        ClusterContract.awaitMembers(near, member);
        Leadership leader = lead();
        List<Integer> sizes = sizesSeenBy(near);
        for (int i = 1; i <= 5; i++) {
            proxy.reset();
            Member changed = member.withAttributes(Map.of("turn", "" + i));
            registration.update(changed);
            ClusterContract.awaitMembers(near, changed);
        }
        assertTrue(leader.leading());
        farListener.awaitCalls("elected");
        assertEquals(List.of(1), sizes.stream().distinct().toList());
    }

    /// In the moment between the server's answer and the login, which ends ZooKeeper's client
    /// without an event.
    @Test
    void connectionsThatBreakDuringTheirLoginAreMadeAgain() throws Exception {
        Member member = worker();
        Registration registration = far.register(member);
        ClusterContract.awaitMembers(near, member);
        Leadership leader = lead();
        for (int i = 1; i <= 3; i++) {
            int before = proxy.broken();
            proxy.breakAfterFirstAnswers();
            proxy.reset();
            Eventually.await("a login is broken off", () -> proxy.broken() > before);
            proxy.heal();
            Member changed = member.withAttributes(Map.of("turn", "" + i));
            registration.update(changed);
            ClusterContract.awaitMembers(near, changed);
        }
        // In the election too: the next one waits behind it.
        Leadership next = near.contend("a", "near", nearListener);
        assertEquals(OptionalLong.of(1), leader.nextEpoch(0));
        leader.close();
        nearListener.awaitCalls("elected");
        assertEquals(OptionalLong.of(2), next.nextEpoch(0));
    }

    /// Half a second to one each way: an answer takes up to two, of a session time-out of six.
    @Test
    void aSlowZooKeeperChangesNoLeaderAndLosesNoMember() throws Exception {
        Member member = worker();
        Registration registration = far.register(member);
        ClusterContract.awaitMembers(near, member);
        Leadership leader = lead();
        near.contend("a", "near", nearListener);
        List<Integer> sizes = sizesSeenBy(near);
        proxy.delay(Duration.ofMillis(500));
        long epoch = 0;
        for (int i = 1; i <= 2; i++) {
            Member changed = member.withAttributes(Map.of("turn", "" + i));
            registration.update(changed);
            long next = leader.nextEpoch(epoch).orElseThrow();
            assertTrue(next > epoch);
            epoch = next;
            ClusterContract.awaitMembers(near, changed);
        }
        assertTrue(leader.leading());
        farListener.awaitCalls("elected");
        nearListener.awaitCalls();
        assertEquals(List.of(1), sizes.stream().distinct().toList());
    }

    private static List<Integer> sizesSeenBy(Cluster cluster) {
        List<Integer> sizes = new CopyOnWriteArrayList<>();
        cluster.membership().listen(snapshot -> sizes.add(snapshot.members().size()));
        return sizes;
    }

    @Test
    void manyProcessesJoinAndLeave() throws Exception {
        Member stays = worker();
        far.register(stays);
        for (int i = 0; i < 200; i++) {
            Registration registration = (i % 2 == 0 ? far : near).register(worker());
            if (i % 3 == 0) {
                registration.ready();
            }
            registration.close();
        }
        ClusterContract.awaitMembers(near, stays);
        ClusterContract.awaitMembers(far, stays);
    }

    /// As an operator's tool or a fault may leave it: no number, one out of range, none at all, an
    /// older one.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "garbage",
                "7",
                "x far",
                "-3 far",
                "9223372036854775807 near",
                "9223372036854775806 near",
                "4 near",
                "deleted"
            })
    void aDamagedCounterOfEpochsIsWrittenAgain(String content) throws Exception {
        Leadership leader = lead();
        assertEquals(OptionalLong.of(5), leader.nextEpoch(4));
        write("/epochs/a", content);
        Eventually.await(
                () -> "the counter is restored: " + near.givenEpoch("a"),
                () -> near.givenEpoch("a").equals(OptionalLong.of(5)));
        assertTrue(leader.leading());
        assertEquals(OptionalLong.of(6), leader.nextEpoch(5));
        Leadership next = near.contend("a", "near", nearListener);
        leader.close();
        nearListener.awaitCalls("elected");
        assertEquals(OptionalLong.of(7), next.nextEpoch(0));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "garbage", "{}", "huge", "deleted"})
    void aDamagedAnnouncementIsWrittenAgain(String content) throws Exception {
        Member member = worker();
        far.register(member);
        ClusterContract.awaitMembers(near, member);
        write("/members/worker-a-0-" + member.incarnation(), content);
        Eventually.await(
                "announced again",
                () -> {
                    try (Cluster fresh =
                            ZooKeeperCluster.connect(server.connectString(), name, ACCESS)) {
                        return fresh.awaitConnected(Eventually.TIMEOUT)
                                && seen(fresh, member.incarnation()).isPresent();
                    }
                });
        ClusterContract.awaitMembers(near, member);
    }

    private static Optional<Member> seen(Cluster fresh, String incarnation)
            throws InterruptedException {
        Eventually.await(
                "members are read", () -> !fresh.membership().snapshot().members().isEmpty());
        return fresh.membership().snapshot().find(incarnation);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "garbage", "huge"})
    void aDamagedKeyOfBlockNamesIsReplaced(String content) throws Exception {
        near.blockHashKey();
        write("/block-hash-key", content);
        byte[] key = near.blockHashKey();
        assertEquals(BlockHasher.KEY_BYTES, key.length);
        assertEquals(
                new String(key, StandardCharsets.ISO_8859_1),
                new String(far.blockHashKey(), StandardCharsets.ISO_8859_1));
    }

    private void write(String path, String content)
            throws IOException, InterruptedException, KeeperException {
        var config = new ZKClientConfig();
        config.setProperty(
                ZKClientConfig.LOGIN_CONTEXT_NAME_KEY, ZooKeeperLogins.client(ACCESS.zooKeeper()));
        config.setProperty(X509Util.FIPS_MODE_PROPERTY, "false");
        var direct = new ZooKeeper(server.connectString(), 6000, event -> {}, config);
        String node = "/lockstep/" + name + path;
        if (content.equals("deleted")) {
            direct.delete(node, -1);
        } else {
            String text = content.equals("huge") ? "x".repeat(1_000_000) : content;
            direct.setData(node, text.getBytes(StandardCharsets.UTF_8), -1);
        }
        direct.close();
    }
}
