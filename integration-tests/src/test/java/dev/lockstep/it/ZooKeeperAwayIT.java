// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.cluster.ZooKeeperCluster;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/// Serving does not need ZooKeeper: during an outage requests are served, and afterwards the
/// members register again.
@Order(2)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(LogsOnFailure.class)
final class ZooKeeperAwayIT {
    private static final Duration OUTAGE =
            Duration.ofSeconds(Boolean.getBoolean("lockstep.long") ? 60 : 20);

    /// Longer than the session time-out of 6 s.
    private static final Duration LONGER_THAN_SESSIONS = Duration.ofSeconds(8);

    /// The guarantee: this long after ZooKeeper is back all members are registered.
    private static final Duration REGISTRATION_LIMIT = Duration.ofSeconds(15);

    private static final String CLUSTER = "away";
    private static final int RANKS = 2;
    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 8);

    private final Sandbox sandbox = Sandbox.quick();
    private final int zooKeeperPort = ReservedPorts.next();
    private final int port = ReservedPorts.next();
    private final SeparateProcesses processes =
            new SeparateProcesses(sandbox, zooKeeperPort, CLUSTER);
    private final Api api = new Api(port);
    private LockstepProcess zooKeeper = processes.zooKeeper("zookeeper");

    @BeforeAll
    void start() throws Exception {
        Path model = Models.tiny(sandbox, 8);
        processes.coordinator("coordinator", model, port);
        processes.scheduler("scheduler", sandbox.group(), RANKS);
        for (int rank = 0; rank < RANKS; rank++) {
            // Makes steps slow enough that a stream still runs during the outage.
            processes.worker(
                    "worker-" + rank,
                    model,
                    sandbox.group(),
                    rank,
                    RANKS,
                    "--failpoints=worker.before-step=sleep:5ms");
        }
        BoundedWait.await("the coordinator is ready", api::isReady);
    }

    @AfterAll
    void close() {
        api.close();
        sandbox.close();
    }

    @Test
    void requestsAreServedDuringAnOutage() throws Exception {
        servesDuringAnOutage(OUTAGE, "zookeeper");
    }

    @Test
    void membersRegisterAgainWithAnEmptyZooKeeper() throws Exception {
        servesDuringAnOutage(LONGER_THAN_SESSIONS, "zookeeper-anew");
    }

    private void servesDuringAnOutage(Duration outage, String dataAfterwards) throws Exception {
        try (var load = new BackgroundLoad(api, SMALL, 4);
                EventReader running = runningStream()) {
            zooKeeper.signal("KILL");
            int code = zooKeeper.awaitExit();
            assertTrue(code != 0, "ZooKeeper was killed");
            long end = System.nanoTime() + outage.toNanos();
            assertEquals("length", Generated.of(running).finishReason());
            while (System.nanoTime() < end) {
                assertServes(load);
                Thread.sleep(200);
            }
            try (var newcomer = new Api(port)) {
                newcomer.post(CompletionBodies.COMPLETIONS, SMALL).ok();
            }

            zooKeeper = processes.zooKeeper(dataAfterwards);
            BoundedWait.await("ZooKeeper is back", () -> zooKeeper.output().contains("listens"));
            try (Cluster cluster =
                            ZooKeeperCluster.connect(
                                    "127.0.0.1:" + zooKeeperPort, CLUSTER, sandbox.access());
                    var clock = new LoadAwareClock()) {
                Map<Member.Role, Integer> all =
                        Map.of(
                                Member.Role.COORDINATOR, 1,
                                Member.Role.SCHEDULER, 1,
                                Member.Role.WORKER, RANKS);
                BoundedWait.await(
                        REGISTRATION_LIMIT,
                        clock,
                        () -> "all members are registered again",
                        () -> readyMembers(cluster).equals(all));
            }
            assertServes(load);
            assertEquals(Map.of("ok", load.count("ok")).keySet(), load.outcomes().keySet());
        }
    }

    private void assertServes(BackgroundLoad load) throws Exception {
        int served = load.count("ok");
        BoundedWait.await(
                "requests are served: " + load.outcomes(), () -> load.count("ok") > served);
        assertEquals(200, api.statusOf("/readyz"));
    }

    private EventReader runningStream() {
        EventReader events =
                api.stream(
                        CompletionBodies.COMPLETIONS,
                        CompletionBodies.greedy(List.of(5, 6, 7), 400).put("stream", true));
        assertTrue(events.next().orElseThrow().has("choices"), "the first token");
        return events;
    }

    private static Map<Member.Role, Integer> readyMembers(Cluster cluster) {
        return cluster.membership().snapshot().members().stream()
                .filter(Member::ready)
                .collect(Collectors.toMap(Member::role, member -> 1, Integer::sum));
    }
}
