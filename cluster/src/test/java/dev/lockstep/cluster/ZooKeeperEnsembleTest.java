// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.Randomness;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;

/// An ensemble of three servers that loses one, its leader, and its quorum.
@Tag("processes")
@Timeout(600)
@Execution(ExecutionMode.CONCURRENT)
final class ZooKeeperEnsembleTest {
    private static final String NAME = "ensemble";

    private final Randomness randomness = Randomness.seeded(1);

    @Test
    void noMemberIsMissedNoLeaderIsDeposedAndEpochsRise(@TempDir Path folder) throws Exception {
        Path secret = folder.resolve("secret");
        ClusterSecret.readOrCreate(secret);
        try (ZooKeeperEnsemble ensemble = ZooKeeperEnsemble.start(folder);
                Cluster one = connect(ensemble, secret);
                Cluster two = connect(ensemble, secret)) {
            Member first = worker(0);
            Member second = worker(1);
            Registration registration = one.register(first);
            ClusterContract.awaitMembers(two, first);
            two.register(second);
            ClusterContract.awaitMembers(one, first, second);
            var listener = new RecordingListener();
            Leadership leader = one.contend("a", "first", listener);
            listener.awaitCalls("elected");
            var nextListener = new RecordingListener();
            Leadership next = two.contend("a", "second", nextListener);
            assertEquals(OptionalLong.of(1), leader.nextEpoch(0));
            List<Integer> sizes = new CopyOnWriteArrayList<>();
            two.membership().listen(snapshot -> sizes.add(snapshot.members().size()));

            int follower = ensemble.follower();
            ensemble.kill(follower);
            update(registration, two, "a follower is gone", second);
            assertEquals(OptionalLong.of(2), leader.nextEpoch(1));
            ensemble.startServer(follower);
            ensemble.awaitServing(3);

            int old = ensemble.leader();
            ensemble.kill(old);
            ensemble.awaitServing(2);
            first = update(registration, two, "another server leads", second);
            long epoch = leader.nextEpoch(2).orElseThrow();
            assertTrue(epoch > 2);

            int alsoGone = ensemble.leader();
            ensemble.kill(alsoGone);
            Eventually.await("no quorum", () -> !one.connected() && !two.connected());
            ClusterContract.awaitMembers(one, first, second);
            ClusterContract.awaitMembers(two, first, second);
            assertTrue(leader.leading());
            long alone = leader.nextEpoch(epoch).orElseThrow();
            assertTrue(alone > epoch);

            ensemble.startServer(old);
            ensemble.startServer(alsoGone);
            ensemble.awaitServing(3);
            first = update(registration, two, "the quorum is back", second);
            assertEquals(List.of(2), sizes.stream().distinct().toList());
            assertEquals(List.of("elected"), listener.calls);
            assertEquals(List.of(), nextListener.calls);
            try (Cluster fresh = connect(ensemble, secret)) {
                ClusterContract.awaitMembers(fresh, first, second);
                Eventually.await(
                        "the epoch is written",
                        () -> fresh.givenEpoch("a").equals(OptionalLong.of(alone)));
            }
            leader.close();
            nextListener.awaitCalls("elected");
            assertTrue(next.nextEpoch(0).orElseThrow() > alone);
        }
    }

    private static Cluster connect(ZooKeeperEnsemble ensemble, Path secret) {
        return ZooKeeperCluster.connect(ensemble.connectString(), NAME, ensemble.access(secret));
    }

    private Member worker(int rank) {
        return Member.worker("a", rank, 2, "127.0.0.1", 4000, randomness.nextIncarnation());
    }

    /// Changes what a member says and waits until another process has read it.
    private static Member update(
            Registration registration, Cluster reader, String phase, Member other)
            throws InterruptedException {
        Member changed = registration.member().withAttributes(Map.of("phase", phase));
        registration.update(changed);
        ClusterContract.awaitMembers(reader, changed, other);
        return changed;
    }
}
