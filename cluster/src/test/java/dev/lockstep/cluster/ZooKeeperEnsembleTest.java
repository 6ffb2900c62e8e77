// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.Randomness;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
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
            awaitMembers(two, first);
            two.register(second);
            awaitMembers(one, first, second);
            var listener = new RecordingListener();
            Leadership leader = one.contend("a", "first", listener);
            listener.awaitCalls("elected");
            Leadership next = two.contend("a", "second", new RecordingListener());
            long epoch = higher(leader, 0);

            int follower = ensemble.follower();
            ensemble.kill(follower);
            update(registration, two, "a follower is gone", second);
            epoch = higher(leader, epoch);
            ensemble.startServer(follower);
            ensemble.awaitServing(3);

            int old = ensemble.leader();
            ensemble.kill(old);
            ensemble.awaitServing(2);
            first = update(registration, two, "another server leads", second);
            epoch = higher(leader, epoch);

            int alsoGone = ensemble.leader();
            ensemble.kill(alsoGone);
            Eventually.await("no quorum", () -> !one.connected() && !two.connected());
            awaitMembers(one, first, second);
            awaitMembers(two, first, second);
            assertTrue(leader.leading());
            long alone = higher(leader, epoch);

            ensemble.startServer(old);
            ensemble.startServer(alsoGone);
            ensemble.awaitServing(3);
            first = update(registration, two, "the quorum is back", second);
            // Sessions that were lost meanwhile make the other one first in the election; it takes
            // no epoch.
            assertEquals(List.of("elected"), listener.calls);
            assertTrue(leader.leading());
            try (Cluster fresh = connect(ensemble, secret)) {
                awaitMembers(fresh, first, second);
                Eventually.await(
                        "the epoch is written", () -> fresh.givenEpoch("a").orElse(0) >= alone);
            }
            leader.close();
            Eventually.await("next leads", next::leading);
            higher(next, alone);
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
        awaitMembers(reader, changed, other);
        return changed;
    }

    /// In any order: who lost its session is announced again behind the others.
    private static void awaitMembers(Cluster cluster, Member... expected)
            throws InterruptedException {
        Eventually.await(
                () -> List.of(expected) + " but " + cluster.membership().snapshot(),
                () ->
                        Set.copyOf(cluster.membership().snapshot().members())
                                .equals(Set.of(expected)));
    }

    /// Takes an epoch, which is higher than one before.
    private static long higher(Leadership leader, long before) {
        long epoch = leader.nextEpoch(before).orElseThrow();
        assertTrue(epoch > before, epoch + " after " + before);
        return epoch;
    }
}
