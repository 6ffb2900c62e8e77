package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GroupStatus;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/// A lost worker costs the requests it carried, told at once, and some seconds; then the cluster
/// serves as before.
@Timeout(600)
@ExtendWith(LogsOnFailure.class)
final class WorkerLossIT {
    private static final Duration PROMISED = Duration.ofSeconds(5);
    private static final int STREAMS = 8;

    /// With it a step takes long enough for streams to be caught running.
    private static final String SLOW = "--failpoints=worker.before-step=sleep:10ms";

    @Test
    void aKilledWorkerEndsWhatItCarriedAndIsReplaced() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox, Models.tiny(sandbox, 4), "--tensor-parallel=2", SLOW)) {
            Api api = cluster.api();
            JsonNode small = Requests.greedy(List.of(9, 8, 7), 5);
            Generated before = Generated.of(api.post(Requests.COMPLETIONS, small).ok());
            GroupStatus group = cluster.group();
            List<EventReader> streams = begunStreams(api);
            try (Load load = new Load(api, small, 4)) {
                Eventually.await("there is load", Eventually.PATIENCE, () -> load.count("ok") > 8);
                long killed = System.nanoTime();
                Signals.send("KILL", Integer.toString(group.getRanks(1).getPid()));

                for (Lost lost : Together.map(streams, WorkerLossIT::readToTheEnd)) {
                    assertEquals("group_lost", lost.error().path("code").asText());
                    assertEquals("server_error", lost.error().path("type").asText());
                    assertTrue(
                            lost.endNanos() - killed <= PROMISED.toNanos(),
                            () -> "ended after " + (lost.endNanos() - killed) / 1_000_000 + " ms");
                }
                for (String probe : List.of("/readyz", "/health")) {
                    assertEquals(503, api.statusOf(probe), probe);
                }
                assertEquals(200, api.statusOf("/livez"));
                Eventually.await("it is ready again", Eventually.PATIENCE, api::isReady);
                int served = load.count("ok");
                Eventually.await(
                        "it serves again", Eventually.PATIENCE, () -> load.count("ok") > served);
                Set<String> others = new TreeSet<>(load.answers().keySet());
                others.removeAll(Set.of("ok", "group_lost", "not_ready"));
                assertEquals(Set.of(), others, "answers of another kind");
            }
            assertEquals(before, Generated.of(api.post(Requests.COMPLETIONS, small).ok()));
            assertTrue(cluster.group().getEpoch() > group.getEpoch(), "in a later epoch");
        }
    }

    @Test
    void aSchedulerThatIsReplacedFindsWhatTheWorkersStillHold() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(sandbox, Models.tiny(sandbox, 4), "--tensor-parallel=2")) {
            Api api = cluster.api();
            List<Integer> prompt = new ArrayList<>();
            for (int i = 0; i < 60; i++) {
                prompt.add(3 + i);
            }
            JsonNode body = Requests.greedy(prompt, 20);
            Generated before = Generated.of(api.post(Requests.COMPLETIONS, body).ok());
            long epoch = cluster.group().getEpoch();
            Signals.send("KILL", Long.toString(sandbox.processIdOf("scheduler")));
            Eventually.await(
                    "another scheduler leads", Eventually.PATIENCE, () -> served(cluster, epoch));
            assertEquals(before, Generated.of(api.post(Requests.COMPLETIONS, body).ok()));
            GroupStatus group = cluster.group();
            assertEquals(
                    48, group.getCachedTokens(), "three full blocks of the prompt's 60 tokens");
        }
    }

    private static boolean served(ServedCluster cluster, long before) {
        return cluster.api().isReady()
                && cluster.admin()
                        .group(cluster.sandbox().group())
                        .filter(group -> group.getReady() && group.getEpoch() > before)
                        .isPresent();
    }

    private static List<EventReader> begunStreams(Api api) {
        List<EventReader> streams = new ArrayList<>();
        JsonNode body = Requests.greedy(List.of(5, 6, 7), 400).put("stream", true);
        for (int i = 0; i < STREAMS; i++) {
            EventReader events = api.stream(Requests.COMPLETIONS, body);
            assertTrue(events.next().orElseThrow().has("choices"), "the first token has come");
            streams.add(events);
        }
        return streams;
    }

    /// How a stream ended.
    private record Lost(JsonNode error, long endNanos) {}

    private static Lost readToTheEnd(EventReader events) {
        try (events) {
            JsonNode last = Json.object();
            for (Optional<JsonNode> next = events.next(); next.isPresent(); next = events.next()) {
                last = next.get();
            }
            return new Lost(last.path("error"), System.nanoTime());
        }
    }
}
