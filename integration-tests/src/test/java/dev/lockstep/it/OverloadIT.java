package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicInteger;
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
            ConcurrentSkipListMap<Long, Integer> refusalNanos = new ConcurrentSkipListMap<>();
            long begin = System.nanoTime();
            long end = begin + LOAD.toNanos();
            List<Integer> clients = new ArrayList<>();
            for (int client = 0; client < CLIENTS; client++) {
                clients.add(client);
            }
            Together.map(
                    clients,
                    client -> {
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
                                    refusalNanos.merge(System.nanoTime() - start, 1, Integer::sum);
                                }
                                refused.incrementAndGet();
                                Thread.sleep(500);
                            }
                        }
                        return client;
                    });
            System.out.println(
                    "%d finished, %d refused, a refusal takes p99 %.1f ms"
                            .formatted(finished.get(), refused.get(), p99Millis(refusalNanos)));
            assertTrue(finished.get() > SLOTS && refused.get() > finished.get());
            Eventually.await("nothing is left", Eventually.PATIENCE, () -> isIdle(cluster.group()));
        }
    }

    private static double p99Millis(ConcurrentSkipListMap<Long, Integer> nanos) {
        int all = nanos.values().stream().mapToInt(Integer::intValue).sum();
        int seen = 0;
        for (var each : nanos.entrySet()) {
            seen += each.getValue();
            if (seen >= 0.99 * all) {
                return each.getKey() / 1e6;
            }
        }
        return 0;
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
