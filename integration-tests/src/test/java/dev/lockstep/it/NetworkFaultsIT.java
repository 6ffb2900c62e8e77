// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.ClusterCertificates;
import dev.lockstep.cluster.FaultProxy;
import dev.lockstep.cluster.FaultProxy.Direction;
import dev.lockstep.cluster.Leadership;
import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.ReservedPorts;
import dev.lockstep.cluster.ZooKeeperCluster;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The links between processes of several hosts, over TCP and TLS, are cut in one direction or
/// both, or broken: it is found within seconds, and no accepted request is lost.
@Order(2)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(LogsOnFailure.class)
final class NetworkFaultsIT {
    private static final int RANKS = 2;
    private static final int TOKENS = 150;
    private static final boolean LONG = Boolean.getBoolean("lockstep.long");
    private static final int BREAKS = LONG ? 30 : 2;

    /// A cut is found after 5 s at most, and reported within one more.
    private static final Duration FOUND = Duration.ofSeconds(7);

    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 4);

    private final Sandbox sandbox = Sandbox.quick();
    private final int zooKeeperPort = ReservedPorts.next();
    private final int port = ReservedPorts.next();
    private final Api api = new Api(port);
    private final Admin admin = new Admin(port);

    /// Closed in the reverse order, whatever of them a failed start has opened.
    private final Deque<AutoCloseable> opened = new ArrayDeque<>(List.of(admin, api, sandbox));

    @SuppressWarnings("NullAway.Init") // set before all
    private FaultyLinks toScheduler;

    @SuppressWarnings("NullAway.Init") // set before all
    private FaultyLinks toWorkers;

    @SuppressWarnings("NullAway.Init") // set before all
    private Cluster workers;

    @SuppressWarnings("NullAway.Init") // set before all
    private StreamMix mix;

    @BeforeAll
    void start() throws Exception {
        Path model = Models.tiny(sandbox, 8);
        Path certificates = sandbox.folder().resolve("certificates");
        ClusterCertificates.make(certificates);
        String tls = "--tls-folder=" + certificates;
        String tcp = "--internal-host=127.0.0.1";
        processes("c").zooKeeper("zookeeper");
        processes("c").coordinator("coordinator", model, port, tls);
        processes("s").scheduler("scheduler", sandbox.group(), RANKS, tls, tcp);
        for (int rank = 0; rank < RANKS; rank++) {
            processes("w")
                    .worker(
                            "worker-" + rank,
                            model,
                            sandbox.group(),
                            rank,
                            RANKS,
                            tls,
                            tcp,
                            "--failpoints=worker.before-step=sleep:10ms");
        }
        String zooKeeper = "127.0.0.1:" + zooKeeperPort;
        workers = ZooKeeperCluster.connect(zooKeeper, "w", sandbox.access());
        opened.push(workers);
        allowEpochs();
        toScheduler = new FaultyLinks(zooKeeper, "s", "c", Member.Role.SCHEDULER, sandbox.access());
        opened.push(toScheduler);
        toWorkers = new FaultyLinks(zooKeeper, "w", "s", Member.Role.WORKER, sandbox.access());
        opened.push(toWorkers);
        BoundedWait.await("the coordinator is ready", api::isReady);
        mix = StreamMix.undisturbed(api, TOKENS);
    }

    private SeparateProcesses processes(String cluster) {
        return new SeparateProcesses(sandbox, zooKeeperPort, cluster);
    }

    /// The workers obey only epochs that their cluster gave out, and the scheduler takes them in
    /// its own.
    private void allowEpochs() throws Exception {
        Leadership leadership =
                workers.contend(
                        sandbox.group(),
                        "test",
                        new Leadership.Listener() {
                            @Override
                            public void elected() {}

                            @Override
                            public void deposed() {}
                        });
        BoundedWait.await("epochs are given out", () -> leadership.nextEpoch(1 << 20).isPresent());
    }

    @AfterAll
    void close() throws Exception {
        for (AutoCloseable each : opened) {
            each.close();
        }
    }

    @AfterEach
    void heal() {
        toScheduler.before(0).heal();
        for (int rank = 0; rank < RANKS; rank++) {
            toWorkers.before(rank).heal();
        }
    }

    /// The scheduler's heartbeats do not arrive.
    @ParameterizedTest
    @MethodSource("bothOrOne")
    void aSchedulerThatCannotBeHeardIsGivenUp(String directions) throws Exception {
        Baseline baseline = Baseline.of(sandbox, api, admin);
        mix.requireUndisturbedBy(
                () -> {
                    toScheduler.before(0).cut(directions(directions));
                    awaitNotReady();
                    // Neither it nor another one can serve: an answer, not a queue.
                    assertEquals(503, api.post(CompletionBodies.COMPLETIONS, SMALL).status());
                    toScheduler.before(0).heal();
                },
                api);
        baseline.awaitRestored();
    }

    /// Its heartbeats arrive, but no request reaches it.
    @Test
    void aSchedulerThatHearsNothingIsGivenUp() throws Exception {
        Baseline baseline = Baseline.of(sandbox, api, admin);
        List<StreamMix.Running> streams = mix.begin(api);
        toScheduler.before(0).cut(Direction.TO_SERVER);
        assertEquals(503, api.post(CompletionBodies.COMPLETIONS, SMALL).status());
        toScheduler.before(0).heal();
        mix.requireUndisturbed(streams);
        baseline.awaitRestored();
    }

    static List<String> bothOrOne() {
        return LONG ? List.of("TO_SERVER TO_CLIENT", "TO_CLIENT") : List.of("TO_SERVER TO_CLIENT");
    }

    @ParameterizedTest
    @ValueSource(strings = {"TO_SERVER", "TO_CLIENT"})
    void aWorkerThatIsCutOffDelaysRequests(String directions) throws Exception {
        Baseline baseline = Baseline.of(sandbox, api, admin);
        List<StreamMix.Running> streams = mix.begin(api);
        toWorkers.before(1).cut(directions(directions));
        awaitNotReady();
        toWorkers.before(1).heal();
        mix.requireUndisturbed(streams);
        baseline.awaitRestored();
    }

    @ParameterizedTest
    @ValueSource(strings = {"SCHEDULER", "WORKER"})
    void connectionsThatBreakAgainAndAgainDelayRequests(Member.Role role) throws Exception {
        Baseline baseline = Baseline.of(sandbox, api, admin);
        FaultyLinks links = role == Member.Role.WORKER ? toWorkers : toScheduler;
        List<StreamMix.Running> streams = mix.begin(api);
        try (var load = new BackgroundLoad(api, SMALL, 2)) {
            for (int i = 0; i < BREAKS; i++) {
                int served = load.count("ok");
                links.before(0).reset();
                BoundedWait.await(
                        "serves: " + load.outcomes(), () -> load.count("ok") > served + 4);
            }
            assertTrue(Set.of("ok", "not_ready").containsAll(load.outcomes().keySet()));
        }
        mix.requireUndisturbed(streams);
        baseline.awaitRestored();
    }

    private void awaitNotReady() throws Exception {
        try (var clock = new LoadAwareClock()) {
            BoundedWait.await(
                    FOUND,
                    clock,
                    () -> "the cut is found: " + admin.status(),
                    () -> !api.isReady());
        }
    }

    private static FaultProxy.Direction[] directions(String names) {
        return List.of(names.split(" ")).stream().map(Direction::valueOf).toArray(Direction[]::new);
    }
}
