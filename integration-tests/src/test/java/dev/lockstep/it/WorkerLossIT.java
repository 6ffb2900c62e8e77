// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// A lost worker fails its group's running requests at once; after some seconds the cluster serves
/// as before.
@ExtendWith(LogsOnFailure.class)
final class WorkerLossIT {
    /// The guarantee: after this time every stream of a lost worker has ended.
    private static final Duration ABORT_LIMIT = Duration.ofSeconds(5);

    private static final int STREAMS = 8;

    /// Makes steps slow enough that streams still run when the test kills the worker.
    private static final String SLOW = "--failpoints=worker.before-step=sleep:10ms";

    @Test
    void aKilledWorkerAbortsItsRequestsAndIsReplaced() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox, Models.tiny(sandbox, 4), "--tensor-parallel=2", SLOW)) {
            Api api = cluster.api();
            JsonNode small = CompletionBodies.greedy(List.of(9, 8, 7), 5);
            Generated before = Generated.of(api.post(CompletionBodies.COMPLETIONS, small).ok());
            GroupStatus group = cluster.group();
            List<EventReader> streams = begunStreams(api);
            try (var load = new BackgroundLoad(api, small, 4)) {
                BoundedWait.await("there is load", () -> load.count("ok") > 8);
                killAndAssertAborted(group.getRanks(1).getPid(), streams);
                // The end of a request may overtake the status of its group.
                for (String probe : List.of("/readyz", "/health")) {
                    BoundedWait.await(probe + " is 503", () -> api.statusOf(probe) == 503);
                }
                assertEquals(200, api.statusOf("/livez"));
                BoundedWait.await("the coordinator is ready again", api::isReady);
                int served = load.count("ok");
                BoundedWait.await("the group serves again", () -> load.count("ok") > served);
                Set<String> others = new TreeSet<>(load.outcomes().keySet());
                others.removeAll(Set.of("ok", "group_lost", "not_ready"));
                assertEquals(Set.of(), others, "other outcomes");
            }
            assertEquals(before, Generated.of(api.post(CompletionBodies.COMPLETIONS, small).ok()));
            assertTrue(cluster.group().getEpoch() > group.getEpoch(), "in a later epoch");
        }
    }

    @Test
    void aReplacedSchedulerReusesTheBlocksThatTheWorkersHold() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(sandbox, Models.tiny(sandbox, 4), "--tensor-parallel=2")) {
            Api api = cluster.api();
            List<Integer> prompt = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                prompt.add(3 + i);
            }
            JsonNode body = CompletionBodies.greedy(prompt, 20);
            Generated before = Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok());
            long epoch = cluster.group().getEpoch();
            PosixSignals.send("KILL", Long.toString(sandbox.processIdOf("scheduler")));
            BoundedWait.await("another scheduler leads", () -> isReadyAfter(epoch, cluster));
            assertEquals(before, Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok()));
            GroupStatus group = cluster.group();
            assertEquals(
                    48, group.getCachedTokens(), "three full blocks of the prompt's 60 tokens");
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
                assertEquals(503, aborted.get().status());
            }
            BoundedWait.await(
                    "another scheduler leads", () -> isReadyAfter(before.getEpoch(), cluster));
            assertEquals(fresh, Generated.of(api.post(CompletionBodies.COMPLETIONS, body).ok()));
        }
    }

    private static boolean isReadyAfter(long before, ServedCluster cluster) {
        return cluster.api().isReady()
                && cluster.admin()
                        .group(cluster.sandbox().group())
                        .filter(group -> group.getReady() && group.getEpoch() > before)
                        .isPresent();
    }

    private static List<EventReader> begunStreams(Api api) {
        List<EventReader> streams = new ArrayList<>();
        JsonNode body = CompletionBodies.greedy(List.of(5, 6, 7), 400).put("stream", true);
        for (int i = 0; i < STREAMS; i++) {
            EventReader events = api.stream(CompletionBodies.COMPLETIONS, body);
            assertTrue(events.next().orElseThrow().has("choices"), "the first token");
            streams.add(events);
        }
        return streams;
    }

    private static void killAndAssertAborted(int pid, List<EventReader> streams) throws Exception {
        try (var clock = new LoadAwareClock()) {
            PosixSignals.send("KILL", Integer.toString(pid));
            for (Lost lost : Together.map(streams, events -> readToTheEnd(events, clock))) {
                assertEquals("group_lost", lost.error().path("code").asText());
                assertEquals("server_error", lost.error().path("type").asText());
                assertTrue(lost.end().compareTo(ABORT_LIMIT) <= 0, () -> "after " + lost.end());
            }
        }
    }

    /// The end of a stream.
    private record Lost(JsonNode error, Duration end) {}

    private static Lost readToTheEnd(EventReader events, LoadAwareClock clock) {
        try (events) {
            JsonNode last = JsonNodes.object();
            for (Optional<JsonNode> next = events.next(); next.isPresent(); next = events.next()) {
                last = next.get();
            }
            return new Lost(last.path("error"), clock.elapsed());
        }
    }
}
