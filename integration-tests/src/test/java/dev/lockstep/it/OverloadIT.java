// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// Under ten times the load that a group can serve, every request gets a response: accepted
/// requests finish, and a refusal contains `Retry-After`.
@Isolated("its clients use all cores")
@ExtendWith(LogsOnFailure.class)
final class OverloadIT {
    /// Responses until the load ends, which takes 20 s on two idle cores, and longer on busy ones.
    private static final int RESPONSES = Boolean.getBoolean("lockstep.long") ? 13_000 : 4_300;

    /// Responses after which the processes are warm: memory and the times of refusals count from
    /// here.
    private static final int WARM_UP = 1_000;

    private static final int BURST = 4096;
    private static final int SLOTS = 4;
    private static final int QUEUE = 8;
    private static final int CLIENTS = 10 * (SLOTS + QUEUE);
    private static final int TOKENS = 30;

    /// The limit for one process between the end of the warm-up and the end of the load.
    private static final long MAX_GROWTH_MEBIBYTES = 128;

    /// The limit for launcher, coordinator and scheduler together under light load.
    private static final long MAX_RESIDENT_MEBIBYTES = 700;

    @Test
    void everyRequestGetsAResponseAndAcceptedRequestsFinish() throws Exception {
        Sandbox sandbox = Sandbox.plain();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--max-num-seqs=" + SLOTS,
                        "--max-waiting=" + QUEUE,
                        "--failpoints=worker.before-step=sleep:5ms")) {
            var finished = new AtomicInteger();
            var responses = new AtomicInteger();
            var refusals = new RefusalTimes();
            AtomicReference<Map<String, Long>> warm = new AtomicReference<>(Map.of());
            AtomicReference<Instant> warmSince = new AtomicReference<>(Instant.MAX);
            List<Integer> clients = new ArrayList<>();
            for (int client = 0; client < CLIENTS; client++) {
                clients.add(client);
            }
            Together.map(
                    clients,
                    client -> {
                        var pause = new Random(client);
                        while (responses.get() < RESPONSES) {
                            boolean isWarm = responses.get() > WARM_UP;
                            long start = System.nanoTime();
                            Api.Response response =
                                    cluster.api()
                                            .post(CompletionBodies.COMPLETIONS, request(client));
                            long nanos = System.nanoTime() - start;
                            if (responses.incrementAndGet() == WARM_UP) {
                                warm.set(resident(sandbox));
                                warmSince.set(Instant.now());
                            }
                            if (response.status() == 200) {
                                assertEquals(TOKENS, Generated.of(response.body()).ids().size());
                                finished.incrementAndGet();
                            } else {
                                assertRefused(response);
                                if (isWarm) {
                                    refusals.add(nanos);
                                }
                                // Half a second on average; equal pauses would cause waves.
                                Thread.sleep(pause.nextInt(1, 1000));
                            }
                        }
                        return client;
                    });
            int refused = responses.get() - finished.get();
            System.out.println(
                    "%d finished, %d refused, a refusal takes %s"
                            .formatted(
                                    finished.get(),
                                    refused,
                                    refusals.summary(sandbox.folder(), warmSince.get())));
            assertFlat(sandbox, warm.get());
            assertTrue(finished.get() > SLOTS && refused > finished.get());
            BoundedWait.await("the group is idle", () -> Baseline.isEmpty(cluster.group()));
        }
    }

    /// Many more at once than run or may wait.
    @Test
    void everyRequestOfABurstGetsOneAnswer() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--max-num-seqs=16",
                        "--max-waiting=96")) {
            Baseline baseline = Baseline.of(cluster);
            long before = baseline.endedRequests();
            List<Integer> clients = new ArrayList<>();
            for (int client = 0; client < BURST; client++) {
                clients.add(client);
            }
            List<Integer> statuses =
                    Together.map(
                            clients,
                            client -> {
                                Api.Response response =
                                        cluster.api()
                                                .post(
                                                        CompletionBodies.COMPLETIONS,
                                                        request(client));
                                if (response.status() != 200) {
                                    assertRefused(response);
                                }
                                return response.status();
                            });
            long finished = statuses.stream().filter(status -> status == 200).count();
            System.out.println("a burst of " + BURST + ": " + finished + " finished");
            assertTrue(finished >= 16 + 96, () -> finished + " finished");
            baseline.awaitRestored();
            BoundedWait.await("all are counted", () -> baseline.endedRequests() >= before + BURST);
            assertEquals(BURST, baseline.endedRequests() - before, "counted once each");
        }
    }

    private static void assertRefused(Api.Response response) {
        assertEquals(429, response.status(), () -> "" + response.body());
        int seconds = Integer.parseInt(response.headers().firstValue("retry-after").orElseThrow());
        assertTrue(seconds >= 1, () -> "Retry-After " + seconds);
    }

    /// Asserts that no process keeps memory of requests that it refused or finished. A heap may
    /// still grow a little before a collection; the memory of thousands of requests would be more.
    private static void assertFlat(Sandbox sandbox, Map<String, Long> warm) {
        assertEquals(2, warm.size());
        warm.forEach(
                (process, before) -> {
                    long now = sandbox.residentMebibytes(process);
                    System.out.println(
                            "%s: %d MiB resident when warm, %d MiB at the end"
                                    .formatted(process, before, now));
                    assertTrue(
                            now - before <= MAX_GROWTH_MEBIBYTES,
                            () -> process + " grew from " + before + " to " + now + " MiB");
                });
    }

    private static Map<String, Long> resident(Sandbox sandbox) {
        return Map.of(
                "scheduler", sandbox.residentMebibytes("scheduler"),
                "coordinator", sandbox.residentMebibytes("coordinator"));
    }

    private static ObjectNode request(int client) {
        return CompletionBodies.greedy(List.of(3, 1 + client % 50, 7), TOKENS);
    }

    @Test
    void timelineMetricsAndReplayDescribeARequest() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--record=" + sandbox.folder().resolve("recording"))) {
            List<Integer> prompt = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                prompt.add(5 + i);
            }
            JsonNode first = cluster.api().post(CompletionBodies.COMPLETIONS, body(prompt)).ok();
            JsonNode second = cluster.api().post(CompletionBodies.COMPLETIONS, body(prompt)).ok();
            assertEquals(first.path("choices"), second.path("choices"));

            String id = second.path("id").asText();
            JsonNode timeline = cluster.api().get("/v1/requests/" + id).ok();
            JsonNode events = timeline.path("choices").path(0).path("events");
            List<String> kinds = new ArrayList<>();
            events.forEach(event -> kinds.add(event.path("kind").asText()));
            assertEquals("queued", kinds.getFirst(), timeline::toString);
            assertEquals("finished", kinds.getLast(), timeline::toString);
            JsonNode admitted = events.path(kinds.indexOf("admitted"));
            assertEquals(39, admitted.path("tokens").asInt(), timeline::toString);
            assertEquals(first.path("id").asText(), admitted.path("on_request").asText());

            // A status is published at most every 100 ms.
            BoundedWait.await(
                    "both prompts counted", () -> cluster.group().getPromptTokens() == 80);
            GroupStatus group = cluster.group();
            assertEquals(39, group.getCachedTokens());
            assertTrue(group.getStepBytes() > 0);
            assertTrue(
                    cluster.api().text("/metrics").contains("lockstep_"),
                    "/metrics returns Prometheus text");
            long resident =
                    sandbox.residentMebibytes("serve")
                            + sandbox.residentMebibytes("coordinator")
                            + sandbox.residentMebibytes("scheduler");
            assertTrue(resident <= MAX_RESIDENT_MEBIBYTES, () -> resident + " MiB resident");
            LockstepProcess replay = replayAfterStop(cluster, sandbox);
            assertEquals(0, replay.awaitExit(), replay::errors);
            assertTrue(replay.output().contains("every plan is the recorded one"), replay::output);
        }
    }

    private static LockstepProcess replayAfterStop(ServedCluster cluster, Sandbox sandbox)
            throws Exception {
        cluster.launcher().signal("TERM");
        cluster.launcher().awaitExit();
        return sandbox.start(
                "replay", "replay", List.of(sandbox.folder().resolve("recording").toString()));
    }

    private static ObjectNode body(List<Integer> prompt) {
        return CompletionBodies.greedy(prompt, 12);
    }
}
