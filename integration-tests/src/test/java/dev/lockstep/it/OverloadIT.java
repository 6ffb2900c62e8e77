package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// Ten times more than a group can do: every request is answered, those that were accepted finish,
/// and a refusal says when to come back.
@Isolated("its clients take all cores")
@Timeout(600)
@ExtendWith(LogsOnFailure.class)
final class OverloadIT {
    private static final Duration LOAD =
            Duration.ofSeconds(Boolean.getBoolean("lockstep.long") ? 60 : 20);

    /// A refusal's time counts once the first burst has passed.
    private static final Duration WARM = Duration.ofSeconds(5);

    private static final int SLOTS = 4;
    private static final int QUEUE = 8;
    private static final int CLIENTS = 10 * (SLOTS + QUEUE);
    private static final int TOKENS = 30;

    /// Of one process from when it is warm to the end.
    private static final long MOST_GROWTH_MEBIBYTES = 128;

    /// Of launcher, coordinator and scheduler together, with little to do.
    private static final long MOST_RESIDENT_MEBIBYTES = 700;

    @Test
    void everybodyIsAnsweredAndWhoIsAcceptedFinishes() throws Exception {
        Sandbox sandbox = Sandbox.plain();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--max-num-seqs=" + SLOTS,
                        "--max-waiting=" + QUEUE,
                        "--failpoints=worker.before-step=sleep:5ms")) {
            AtomicInteger finished = new AtomicInteger();
            AtomicInteger refused = new AtomicInteger();
            RefusalTimes refusals = new RefusalTimes();
            AtomicReference<Map<String, Long>> warm = new AtomicReference<>(Map.of());
            Instant counted = Instant.now().plus(WARM);
            long begin = System.nanoTime();
            long end = begin + LOAD.toNanos();
            List<Integer> clients = new ArrayList<>();
            for (int client = 0; client < CLIENTS; client++) {
                clients.add(client);
            }
            Thread watcher =
                    Thread.ofVirtual()
                            .start(
                                    () -> {
                                        LockSupport.parkNanos(WARM.toNanos());
                                        warm.set(resident(sandbox));
                                    });
            Together.map(
                    clients,
                    client -> {
                        Random pause = new Random(client);
                        while (System.nanoTime() < end) {
                            long start = System.nanoTime();
                            Api.Answer answer =
                                    cluster.api().post(Requests.COMPLETIONS, request(client));
                            if (answer.status() == 200) {
                                assertEquals(TOKENS, Generated.of(answer.body()).ids().size());
                                finished.incrementAndGet();
                            } else {
                                assertEquals(429, answer.status(), () -> "" + answer.body());
                                int seconds =
                                        Integer.parseInt(
                                                answer.headers()
                                                        .firstValue("retry-after")
                                                        .orElseThrow());
                                assertTrue(seconds >= 1, () -> "Retry-After " + seconds);
                                if (start - begin > WARM.toNanos()) {
                                    refusals.add(System.nanoTime() - start);
                                }
                                refused.incrementAndGet();
                                // Half a second on average; all at once they would come in waves.
                                Thread.sleep(pause.nextInt(1, 1000));
                            }
                        }
                        return client;
                    });
            watcher.join();
            System.out.println(
                    "%d finished, %d refused, a refusal takes %s"
                            .formatted(
                                    finished.get(),
                                    refused.get(),
                                    refusals.tell(sandbox.folder(), counted)));
            assertFlat(sandbox, warm.get());
            assertTrue(finished.get() > SLOTS && refused.get() > finished.get());
            Eventually.await("nothing is left", Eventually.PATIENCE, () -> isIdle(cluster.group()));
        }
    }

    /// Whoever refuses or finishes must not keep anything of it. A heap may still grow a little
    /// before it is worth collecting; what would be kept of the thousands of requests is more.
    private static void assertFlat(Sandbox sandbox, Map<String, Long> warm) {
        warm.forEach(
                (process, before) -> {
                    long now = sandbox.residentMebibytes(process);
                    System.out.println(
                            "%s: %d MiB resident when warm, %d MiB at the end"
                                    .formatted(process, before, now));
                    assertTrue(
                            now - before <= MOST_GROWTH_MEBIBYTES,
                            () -> process + " grew from " + before + " to " + now + " MiB");
                });
    }

    private static Map<String, Long> resident(Sandbox sandbox) {
        return Map.of(
                "scheduler", sandbox.residentMebibytes("scheduler"),
                "coordinator", sandbox.residentMebibytes("coordinator"));
    }

    private static ObjectNode request(int client) {
        return Requests.greedy(List.of(3, 1 + client % 50, 7), TOKENS);
    }

    @Test
    void aRequestsTimelineAndTheMetricsTellWhatHappened() throws Exception {
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
            JsonNode first = cluster.api().post(Requests.COMPLETIONS, body(prompt)).ok();
            JsonNode second = cluster.api().post(Requests.COMPLETIONS, body(prompt)).ok();
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

            GroupStatus group = cluster.group();
            assertEquals(80, group.getPromptTokens());
            assertEquals(39, group.getCachedTokens());
            assertTrue(group.getStepBytes() > 0);
            assertTrue(
                    cluster.api().text("/metrics").contains("lockstep_"),
                    "Prometheus text is served");
            long resident =
                    sandbox.residentMebibytes("serve")
                            + sandbox.residentMebibytes("coordinator")
                            + sandbox.residentMebibytes("scheduler");
            assertTrue(resident <= MOST_RESIDENT_MEBIBYTES, () -> resident + " MiB resident");
            LockstepProcess replay = replayAfterStop(cluster, sandbox);
            assertEquals(0, replay.awaitExit(Eventually.PATIENCE), replay::errors);
            assertTrue(replay.output().contains("every plan is the recorded one"), replay::output);
        }
    }

    private static LockstepProcess replayAfterStop(ServedCluster cluster, Sandbox sandbox)
            throws Exception {
        cluster.launcher().signal("TERM");
        cluster.launcher().awaitExit(Eventually.PATIENCE);
        return sandbox.start(
                "replay", "replay", List.of(sandbox.folder().resolve("recording").toString()));
    }

    private static ObjectNode body(List<Integer> prompt) {
        return Requests.greedy(prompt, 12);
    }

    private static boolean isIdle(GroupStatus group) {
        return Optional.of(group)
                .filter(each -> each.getRunning() == 0 && each.getWaiting() == 0)
                .filter(each -> each.getBlocksFree() == each.getBlocksTotal())
                .isPresent();
    }
}
