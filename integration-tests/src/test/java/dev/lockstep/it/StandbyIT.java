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
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestMethodOrder;
import org.junit.jupiter.api.extension.ExtendWith;

/// A scheduler waits beside the one that leads. What the workers hold, apart from steps that were
/// aborted, is used by the next leader; ranks that compute wrong results, and processes that get
/// SIGTERM, are replaced.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
@ExtendWith(LogsOnFailure.class)
final class StandbyIT {
    private static final int TOKENS = 150;
    private static final List<String> SCHEDULERS = List.of("scheduler", "scheduler-2");

    private final Sandbox sandbox = Sandbox.quick();

    /// When it exists, the leader ends before it takes the result of a step: the next one runs.
    private final Path end = sandbox.folder().resolve("end");

    /// When it exists, one rank computes a wrong result.
    private final Path flip = sandbox.folder().resolve("flip");

    @SuppressWarnings("NullAway.Init") // set before all
    private ServedCluster cluster;

    @SuppressWarnings("NullAway.Init") // set before all
    private StreamMix mix;

    @BeforeAll
    void start() throws Exception {
        cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--tensor-parallel=2",
                        "--standby",
                        "--canary-interval=1s",
                        "--check-interval=20",
                        "--max-num-batched-tokens=48",
                        "--failpoints=worker.before-step=sleep:10ms,worker.flip-bit=trip@"
                                + flip
                                + ",scheduler.before-apply=exit@"
                                + end);
        mix = StreamMix.undisturbed(cluster.api(), TOKENS);
    }

    @AfterAll
    void close() {
        // There is none if its start failed.
        Optional.ofNullable(cluster).ifPresent(ServedCluster::close);
    }

    /// Returns the name of the scheduler that was elected last.
    private String leader() {
        return SCHEDULERS.stream().max(Comparator.comparing(this::election)).orElseThrow();
    }

    /// Returns the line of a scheduler's last election, which begins with the time, or empty.
    private String election(String scheduler) {
        try {
            return Files.readString(sandbox.folder().resolve(scheduler + ".log"))
                    .lines()
                    .filter(line -> line.contains("this scheduler leads group"))
                    .reduce("", (_, later) -> later);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String other(String scheduler) {
        return SCHEDULERS.get(1 - SCHEDULERS.indexOf(scheduler));
    }

    /// A scheduler that waits to lead.
    ///
    /// @param election the line of its last one
    private record Standby(String name, long process, String election) {}

    /// Returns the scheduler that does not lead, once its process runs.
    private Standby standby() throws Exception {
        String name = other(leader());
        long process = BoundedWait.find(() -> name + " runs", () -> sandbox.findProcessNamed(name));
        return new Standby(name, process, election(name));
    }

    private static List<Integer> processes(GroupStatus group) {
        return group.getRanksList().stream().map(RankInfo::getPid).toList();
    }

    @Test
    @Order(1)
    void noRequestIsLostWithALeaderThatHasAStandby() throws Exception {
        GroupStatus before = cluster.group();
        assertEquals("", standby().election());
        // Of the last kill: the first may have found no running stream.
        List<Standby> waiting = new ArrayList<>();
        mix.requireUndisturbedBy(
                () -> {
                    waiting.add(standby());
                    PosixSignals.send("KILL", Long.toString(sandbox.processIdNamed(leader())));
                },
                cluster.api());
        Standby last = waiting.getLast();
        assertNotEquals(last.election(), election(last.name()), "the one that waited leads");
        assertEquals(last.process(), sandbox.processIdNamed(last.name()), "it is the same process");
        GroupStatus after = cluster.group();
        assertTrue(after.getEpoch() > before.getEpoch());
        assertEquals(processes(before), processes(after), "the workers survive");
    }

    @Test
    @Order(2)
    void theNextLeaderReusesTheBlocksThatTheWorkersHold() throws Exception {
        Api api = cluster.api();
        ObjectNode body =
                CompletionBodies.greedy(IntStream.range(3, 63).boxed().toList(), 20)
                        .put("cache_salt", "held");
        Generated before = Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok());
        BoundedWait.await(
                "the idle group runs canary steps", () -> cluster.group().getCanarySteps() > 0);
        GroupStatus then = cluster.group();
        PosixSignals.send("KILL", Long.toString(sandbox.processIdNamed(leader())));
        BoundedWait.await("another scheduler leads", () -> cluster.isReadyAfter(then));
        JsonNode again = api.post(CompletionBodies.COMPLETIONS, body).ok();
        assertEquals(before, Generated.of(again));
        assertEquals(
                48, Generated.cachedTokens(again), "three full blocks of the prompt's 60 tokens");
    }

    /// The workers survive with blocks that the aborted step did not fill.
    @Test
    @Order(3)
    void aPromptHasTheSameBitsAfterItsPrefillWasAborted() throws Exception {
        Api api = cluster.api();
        // Five steps.
        ObjectNode body =
                CompletionBodies.greedy(IntStream.range(3, 203).boxed().toList(), 2)
                        .put("logprobs", 2);
        // Another salt: none of its blocks is found below.
        Generated fresh =
                Generated.of(
                        api.post(
                                        CompletionBodies.COMPLETIONS,
                                        body.deepCopy().put("cache_salt", "fresh"))
                                .ok());
        GroupStatus before = cluster.group();
        try (ExecutorService client = Executors.newVirtualThreadPerTaskExecutor()) {
            Files.createFile(end);
            Future<Api.Response> aborted =
                    client.submit(() -> api.post(CompletionBodies.COMPLETIONS, body));
            assertEquals(fresh, Generated.of(aborted.get().ok()));
        }
        assertTrue(cluster.isReadyAfter(before), "by another scheduler");
        assertEquals(fresh, Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok()));
    }

    /// Of two ranks that differ nobody knows which is right, so both start again.
    @Test
    @Order(4)
    void noRequestIsLostWithRanksWhoseResultsAreWrong() throws Exception {
        GroupStatus before = cluster.group();
        mix.requireUndisturbedBy(() -> Files.write(flip, new byte[0]), cluster.api());
        GroupStatus after = cluster.group();
        // More if the first wrong result came when no stream was running.
        assertTrue(after.getExpelledRanks() >= 2, after::toString);
        for (int rank = 0; rank < 2; rank++) {
            assertNotEquals(processes(before).get(rank), processes(after).get(rank));
        }
        String errors = cluster.launcher().errors();
        assertTrue(
                Pattern.compile("2 ranks start again: the checksum of step \\d+ differs")
                        .matcher(errors)
                        .find(),
                errors);
        assertTrue(errors.contains("ended with exit code 87 and is restarted"), errors);
    }

    /// One after the other; the coordinator's streams finish before it is replaced. Last, because
    /// the next coordinator has another port: the port was left to it.
    @Test
    @Order(5)
    void noRequestIsLostWhenProcessesAreReplacedAfterSigterm() throws Exception {
        GroupStatus before = cluster.group();
        int told = cluster.launcher().errors().length();
        long coordinator = sandbox.processIdOf("coordinator");
        List<StreamMix.Running> streams = mix.begin(cluster.api());
        PosixSignals.send("TERM", Integer.toString(before.getRanks(0).getPid()));
        BoundedWait.await("another worker serves", () -> cluster.isReadyAfter(before));
        GroupStatus second = cluster.group();
        assertNotEquals(processes(before).getFirst(), processes(second).getFirst());
        PosixSignals.send("TERM", Long.toString(sandbox.processIdNamed(leader())));
        BoundedWait.await("another scheduler leads", () -> cluster.isReadyAfter(second));
        PosixSignals.send("TERM", Long.toString(coordinator));
        mix.requireUndisturbed(streams);
        BoundedWait.await(
                "another coordinator runs",
                () ->
                        sandbox.findProcess("coordinator")
                                .filter(process -> process != coordinator)
                                .isPresent());
        String errors = cluster.launcher().errors().substring(told);
        assertFalse(errors.contains("is restarted"), errors);
    }
}
