// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.ZooKeeperCluster;
import dev.lockstep.cluster.ZooKeeperEnsemble;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/// A cluster on an ensemble of three ZooKeeper servers, which loses one, its leader, and its
/// quorum: no client sees it. `ZooKeeperEnsembleTest` is the short form.
@ExtendWith(LogsOnFailure.class)
@EnabledIfSystemProperty(
        named = "lockstep.long",
        matches = "true",
        disabledReason = "loses servers one after the other")
final class ZooKeeperEnsembleIT {
    private static final int TOKENS = 250;

    /// Longer than the session time-out of 6 s.
    private static final Duration LONGER_THAN_SESSIONS = Duration.ofSeconds(8);

    /// The guarantee: this long after a quorum is back all members are registered.
    private static final Duration REGISTRATION_LIMIT = Duration.ofSeconds(15);

    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 8);

    @Test
    void noClientSeesWhatTheEnsembleLoses() throws Exception {
        try (Sandbox sandbox = Sandbox.quick();
                ZooKeeperEnsemble ensemble = ZooKeeperEnsemble.start(sandbox.folder());
                ServedCluster cluster =
                        ServedCluster.start(
                                sandbox,
                                Models.tiny(sandbox, 8),
                                "--zookeeper=" + ensemble.connectString(),
                                "--zookeeper-auth=" + ensemble.userFile(),
                                "--cluster=ensemble",
                                "--tensor-parallel=2",
                                "--failpoints=worker.before-step=sleep:10ms")) {
            Api api = cluster.api();
            StreamMix mix = StreamMix.undisturbed(api, TOKENS);
            long epoch = cluster.group().getEpoch();
            try (var load = new BackgroundLoad(api, SMALL, 2)) {
                List<StreamMix.Running> streams = mix.begin(api);
                int follower = ensemble.follower();
                ensemble.kill(follower);
                assertEquals(0, Collections.max(mix.requireUndisturbed(streams)));
                ensemble.startServer(follower);
                ensemble.awaitServing(3);

                streams = mix.begin(api);
                int first = ensemble.leader();
                ensemble.kill(first);
                assertEquals(0, Collections.max(mix.requireUndisturbed(streams)));
                ensemble.awaitServing(2);

                streams = mix.begin(api);
                int second = ensemble.leader();
                ensemble.kill(second);
                long end = System.nanoTime() + LONGER_THAN_SESSIONS.toNanos();
                assertEquals(0, Collections.max(mix.requireUndisturbed(streams)));
                while (System.nanoTime() < end) {
                    assertServes(load);
                }
                assertEquals(epoch, cluster.group().getEpoch(), "no group was formed again");

                ensemble.startServer(first);
                ensemble.startServer(second);
                ensemble.awaitServing(3);
                awaitMembers(sandbox, ensemble);
                assertServes(load);
                assertEquals(Set.of("ok"), load.outcomes().keySet(), load.outcomes()::toString);
            }

            for (String child : List.of("worker-1", "scheduler")) {
                long before = cluster.group().getEpoch();
                mix.requireUndisturbedBy(
                        () ->
                                PosixSignals.send(
                                        "KILL", Long.toString(sandbox.processIdNamed(child))),
                        api);
                assertTrue(cluster.group().getEpoch() > before);
            }
            try (Cluster other = connect(sandbox, ensemble)) {
                long last = cluster.group().getEpoch();
                BoundedWait.await(
                        "ZooKeeper has the epoch",
                        () -> other.givenEpoch(sandbox.group()).orElse(0) == last);
            }
        }
    }

    private static void assertServes(BackgroundLoad load) throws Exception {
        int served = load.count("ok");
        BoundedWait.await(
                "requests are served: " + load.outcomes(), () -> load.count("ok") > served);
    }

    private static Cluster connect(Sandbox sandbox, ZooKeeperEnsemble ensemble) {
        return ZooKeeperCluster.connect(
                ensemble.connectString(), "ensemble", ensemble.access(sandbox.secretFile()));
    }

    /// Waits until a process that has seen none of them reads that all are ready.
    private static void awaitMembers(Sandbox sandbox, ZooKeeperEnsemble ensemble) throws Exception {
        Map<Member.Role, Integer> all =
                Map.of(Member.Role.COORDINATOR, 1, Member.Role.SCHEDULER, 1, Member.Role.WORKER, 2);
        try (Cluster other = connect(sandbox, ensemble);
                var clock = new LoadAwareClock()) {
            BoundedWait.await(
                    REGISTRATION_LIMIT,
                    clock,
                    () -> "all members are registered again",
                    () ->
                            other.membership().snapshot().members().stream()
                                    .filter(Member::ready)
                                    .collect(Collectors.toMap(Member::role, _ -> 1, Integer::sum))
                                    .equals(all));
        }
    }
}
