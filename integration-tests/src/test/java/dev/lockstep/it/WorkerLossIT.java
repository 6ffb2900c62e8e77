// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The death of a worker or of the scheduler delays the running requests of the group and changes
/// none of their answers.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(LogsOnFailure.class)
final class WorkerLossIT {
    /// Of each stream: more than a second of steps.
    private static final int TOKENS = 150;

    /// Makes steps slow enough that streams still run when the test kills the worker, and the
    /// scheduler's loop hang when a client asks for a timeline.
    private static final String SLOW =
            "--failpoints=worker.before-step=sleep:10ms,scheduler.before-describe=hang";

    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 5);

    /// For the faults after which a cluster is as before.
    @SuppressWarnings("NullAway.Init") // set before all
    private ServedCluster cluster;

    @SuppressWarnings("NullAway.Init") // set before all
    private StreamMix mix;

    @BeforeAll
    void start() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        cluster =
                ServedCluster.start(sandbox, Models.tiny(sandbox, 4), "--tensor-parallel=2", SLOW);
        mix = StreamMix.undisturbed(cluster.api(), TOKENS);
    }

    @AfterAll
    void close() {
        // There is none if its start failed.
        Optional.ofNullable(cluster).ifPresent(ServedCluster::close);
    }

    /// One worker, and when the group serves again all of them.
    @Test
    void noRequestIsLostWithItsWorkers() throws Exception {
        Baseline baseline = Baseline.of(cluster);
        List<Integer> migrations = List.of();
        // On a busy machine the streams may end before the second loss.
        for (int i = 0; i < StreamMix.TRIES && !migrations.contains(2); i++) {
            migrations = mix.requireUndisturbedBy(this::killWorkersTwice, cluster.api());
        }
        assertTrue(migrations.contains(2), "a stream went on twice: " + migrations);
        baseline.awaitRestored();
    }

    private void killWorkersTwice() throws Exception {
        Api api = cluster.api();
        GroupStatus group = cluster.group();
        try (var load = new BackgroundLoad(api, SMALL, 4)) {
            BoundedWait.await("there is load", () -> load.count("ok") > 8);
            PosixSignals.send("KILL", Integer.toString(group.getRanks(1).getPid()));
            for (String probe : List.of("/readyz", "/health")) {
                BoundedWait.await(probe + " is 503", () -> api.statusOf(probe) == 503);
            }
            assertEquals(200, api.statusOf("/livez"));
            BoundedWait.await("the group serves again", () -> cluster.isReadyAfter(group));
            int served = load.count("ok");
            BoundedWait.await("there is load again", () -> load.count("ok") > served);
            Set<String> others = new TreeSet<>(load.outcomes().keySet());
            others.removeAll(Set.of("ok", "not_ready"));
            assertEquals(Set.of(), others, "other outcomes");
        }
        GroupStatus second = cluster.group();
        assertEquals(group.getRanks(0).getPid(), second.getRanks(0).getPid(), "survives");
        // All ranks at once.
        for (RankInfo rank : second.getRanksList()) {
            PosixSignals.send("KILL", Integer.toString(rank.getPid()));
        }
    }

    /// Stopped processes answer nothing and hold their connections. One whose loop hangs answers
    /// some calls, and its other threads run on.
    @ParameterizedTest
    @ValueSource(strings = {"worker", "scheduler", "loop"})
    void noRequestIsLostWithAProcessThatStandsStill(String role) throws Exception {
        Baseline baseline = Baseline.of(cluster);
        long epoch = cluster.group().getEpoch();
        mix.requireUndisturbedBy(
                () -> {
                    if (role.equals("loop")) {
                        assertEquals(503, cluster.api().statusOf("/v1/requests/cmpl-1"));
                    } else {
                        PosixSignals.send(
                                "STOP", Long.toString(cluster.sandbox().processIdOf(role)));
                    }
                },
                cluster.api());
        assertTrue(cluster.group().getEpoch() > epoch);
        String errors = cluster.launcher().errors();
        String killed = role.equals("loop") ? "scheduler" : role;
        assertTrue(
                Pattern.compile(killed + "(-\\d+)? is killed: it has not answered for 5 s")
                        .matcher(errors)
                        .find(),
                errors);
        baseline.awaitRestored();
    }

    @Test
    void noRequestIsLostWithItsScheduler() throws Exception {
        Baseline baseline = Baseline.of(cluster);
        GroupStatus before = cluster.group();
        mix.requireUndisturbedBy(
                () ->
                        PosixSignals.send(
                                "KILL", Long.toString(cluster.sandbox().processIdOf("scheduler"))),
                cluster.api());
        GroupStatus after = cluster.group();
        assertTrue(after.getEpoch() > before.getEpoch());
        assertEquals(
                before.getRanksList().stream().map(RankInfo::getPid).toList(),
                after.getRanksList().stream().map(RankInfo::getPid).toList(),
                "the workers survive");
        baseline.awaitRestored();
    }

    /// Two faults at once: the coordinator holds what was committed, so no request is lost either.
    @Test
    void noRequestIsLostWithItsSchedulerAndAWorker() throws Exception {
        Baseline baseline = Baseline.of(cluster);
        List<StreamMix.Running> streams = mix.begin(cluster.api());
        for (String role : List.of("scheduler", "worker")) {
            PosixSignals.send("KILL", Long.toString(cluster.sandbox().processIdOf(role)));
        }
        mix.requireUndisturbed(streams);
        baseline.awaitRestored();
    }
}
