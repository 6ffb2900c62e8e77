// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GroupStatus;
import dev.lockstep.proto.v1.RankInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The death of a worker delays the running requests of its group and changes none of their
/// answers. The blocks that workers hold survive the death of their scheduler.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(LogsOnFailure.class)
final class WorkerLossIT {
    /// Of each stream: some seconds of steps.
    private static final int TOKENS = 300;

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
        cluster.close();
    }

    @Test
    void noRequestIsLostWithItsWorkers() throws Exception {
        Api api = cluster.api();
        Baseline baseline = Baseline.of(cluster);
        GroupStatus group = cluster.group();
        List<StreamMix.Running> streams = mix.begin(api);
        try (var load = new BackgroundLoad(api, SMALL, 4)) {
            BoundedWait.await("there is load", () -> load.count("ok") > 8);
            PosixSignals.send("KILL", Integer.toString(group.getRanks(1).getPid()));
            for (String probe : List.of("/readyz", "/health")) {
                BoundedWait.await(probe + " is 503", () -> api.statusOf(probe) == 503);
            }
            assertEquals(200, api.statusOf("/livez"));
            BoundedWait.await("the group serves again", () -> isReadyAfter(group, cluster));
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
        List<Integer> migrations = mix.requireUndisturbed(streams);
        assertTrue(migrations.contains(2), () -> "a stream went on twice: " + migrations);
        baseline.awaitRestored();
    }

    /// Stopped processes answer nothing and hold their connections. One whose loop hangs answers
    /// some calls, and its other threads run on.
    @ParameterizedTest
    @ValueSource(strings = {"worker", "scheduler", "loop"})
    void noRequestIsLostWithAProcessThatStandsStill(String role) throws Exception {
        Baseline baseline = Baseline.of(cluster);
        long epoch = cluster.group().getEpoch();
        List<StreamMix.Running> streams = mix.begin(cluster.api());
        if (role.equals("loop")) {
            assertEquals(503, cluster.api().statusOf("/v1/requests/cmpl-1"));
        } else {
            PosixSignals.send("STOP", Long.toString(cluster.sandbox().processIdOf(role)));
        }
        List<Integer> migrations = mix.requireUndisturbed(streams);
        assertTrue(migrations.contains(1), () -> "a stream went on: " + migrations);
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

    /// Of two ranks that differ nobody knows which is right, so both start again.
    @Test
    void noRequestIsLostWithRanksWhoseResultsAreWrong() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        Path flip = sandbox.folder().resolve("flip");
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--canary-interval=0s",
                        "--check-interval=20",
                        SLOW + ",worker.flip-bit=trip@" + flip)) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            GroupStatus before = cluster.group();
            List<StreamMix.Running> streams = mix.begin(cluster.api());
            Files.createFile(flip);
            List<Integer> migrations = mix.requireUndisturbed(streams);
            GroupStatus after = cluster.group();
            assertTrue(migrations.contains(1), () -> "a stream went on: " + migrations + after);
            assertEquals(2, after.getExpelledRanks());
            for (int rank = 0; rank < 2; rank++) {
                assertNotEquals(before.getRanks(rank).getPid(), after.getRanks(rank).getPid());
            }
            String errors = cluster.launcher().errors();
            assertTrue(
                    Pattern.compile("2 ranks start again: the checksum of step \\d+ differs")
                            .matcher(errors)
                            .find(),
                    errors);
            assertTrue(errors.contains("ended with exit code 87 and is restarted"), errors);
        }
    }

    @Test
    void noRequestIsLostWithItsScheduler() throws Exception {
        Baseline baseline = Baseline.of(cluster);
        GroupStatus before = cluster.group();
        List<StreamMix.Running> streams = mix.begin(cluster.api());
        PosixSignals.send("KILL", Long.toString(cluster.sandbox().processIdOf("scheduler")));
        List<Integer> migrations = mix.requireUndisturbed(streams);
        assertTrue(migrations.contains(1), () -> "a stream went on: " + migrations);
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

    /// One after the other; the coordinator's streams finish before it is replaced.
    @Test
    void noRequestIsLostWhenProcessesAreReplacedAfterSigterm() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox, Models.tiny(sandbox, 4), "--tensor-parallel=2", SLOW)) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            GroupStatus before = cluster.group();
            List<StreamMix.Running> streams = mix.begin(cluster.api());
            PosixSignals.send("TERM", Integer.toString(before.getRanks(0).getPid()));
            BoundedWait.await("another worker serves", () -> isReadyAfter(before, cluster));
            GroupStatus second = cluster.group();
            assertNotEquals(before.getRanks(0).getPid(), second.getRanks(0).getPid());
            PosixSignals.send("TERM", Long.toString(sandbox.processIdOf("scheduler")));
            BoundedWait.await("another scheduler leads", () -> isReadyAfter(second, cluster));
            long coordinator = sandbox.processIdOf("coordinator");
            PosixSignals.send("TERM", Long.toString(coordinator));
            List<Integer> migrations = mix.requireUndisturbed(streams);
            assertTrue(migrations.contains(1), () -> "a stream went on: " + migrations);
            // It has another port, because the port was left to it.
            BoundedWait.await(
                    "another coordinator runs",
                    () ->
                            sandbox.findProcess("coordinator")
                                    .filter(process -> process != coordinator)
                                    .isPresent());
            String errors = cluster.launcher().errors();
            assertFalse(errors.contains("is restarted"), errors);
        }
    }

    @Test
    void noRequestIsLostWithALeaderThatHasAStandby() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--standby",
                        SLOW)) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            GroupStatus before = cluster.group();
            String leader = hasLed(sandbox, "scheduler") ? "scheduler" : "scheduler-2";
            String standby = leader.equals("scheduler") ? "scheduler-2" : "scheduler";
            assertFalse(hasLed(sandbox, standby));
            long standbyId = sandbox.processIdNamed(standby);
            List<StreamMix.Running> streams = mix.begin(cluster.api());
            PosixSignals.send("KILL", Long.toString(sandbox.processIdNamed(leader)));
            List<Integer> migrations = mix.requireUndisturbed(streams);
            assertTrue(migrations.contains(1), () -> "a stream went on: " + migrations);
            assertTrue(hasLed(sandbox, standby), "the one that waited leads");
            assertEquals(standbyId, sandbox.processIdNamed(standby), "it is the same process");
            GroupStatus after = cluster.group();
            assertTrue(after.getEpoch() > before.getEpoch());
            assertEquals(
                    before.getRanksList().stream().map(RankInfo::getPid).toList(),
                    after.getRanksList().stream().map(RankInfo::getPid).toList(),
                    "the workers survive");
        }
    }

    private static boolean hasLed(Sandbox sandbox, String scheduler) throws IOException {
        return Files.readString(sandbox.folder().resolve(scheduler + ".log"))
                .contains("this scheduler leads group");
    }

    @Test
    void aReplacedSchedulerReusesTheBlocksThatTheWorkersHold() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--canary-interval=1s")) {
            Api api = cluster.api();
            List<Integer> prompt = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                prompt.add(3 + i);
            }
            JsonNode body = CompletionBodies.greedy(prompt, 20);
            Generated before = Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok());
            BoundedWait.await(
                    "the idle group runs canary steps", () -> cluster.group().getCanarySteps() > 0);
            long epoch = cluster.group().getEpoch();
            PosixSignals.send("KILL", Long.toString(sandbox.processIdOf("scheduler")));
            BoundedWait.await("another scheduler leads", () -> isReadyAfter(epoch, cluster));
            JsonNode again = api.post(CompletionBodies.COMPLETIONS, body).ok();
            assertEquals(before, Generated.of(again));
            assertEquals(
                    48,
                    again.at("/usage/prompt_tokens_details/cached_tokens").asInt(),
                    "three full blocks of the prompt's 60 tokens");
        }
    }

    /// The workers survive with blocks that the aborted step did not fill.
    @Test
    void aPromptHasTheSameBitsAfterItsPrefillWasAborted() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--max-num-batched-tokens=48",
                        // Longer than it takes to kill the scheduler, which happens within a step.
                        "--failpoints=worker.before-step=sleep:400ms")) {
            Api api = cluster.api();
            List<Integer> prompt = new ArrayList<>();
            for (int i = 0; i < 200; i++) {
                prompt.add(3 + i);
            }
            ObjectNode body = CompletionBodies.greedy(prompt, 2).put("logprobs", 2);
            // Another salt: none of its blocks is found below.
            Generated fresh =
                    Generated.of(
                            api.post(
                                            CompletionBodies.COMPLETIONS,
                                            body.deepCopy().put("cache_salt", "fresh"))
                                    .ok());
            GroupStatus before = cluster.group();
            try (ExecutorService client = Executors.newVirtualThreadPerTaskExecutor()) {
                Future<Api.Response> aborted =
                        client.submit(() -> api.post(CompletionBodies.COMPLETIONS, body));
                BoundedWait.await(
                        "the prefill runs", () -> cluster.group().getSteps() > before.getSteps());
                PosixSignals.send("KILL", Long.toString(sandbox.processIdOf("scheduler")));
                assertEquals(fresh, Generated.of(aborted.get().ok()));
            }
            assertTrue(isReadyAfter(before, cluster), "by another scheduler");
            assertEquals(fresh, Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok()));
        }
    }

    private static boolean isReadyAfter(GroupStatus before, ServedCluster cluster) {
        return isReadyAfter(before.getEpoch(), cluster);
    }

    private static boolean isReadyAfter(long before, ServedCluster cluster) {
        return cluster.api().isReady()
                && cluster.admin()
                        .group(cluster.sandbox().group())
                        .filter(group -> group.getReady() && group.getEpoch() > before)
                        .isPresent();
    }
}
