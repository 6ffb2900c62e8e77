package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.process.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// However the launcher ends, it takes everything with it; only a request to drain gives streams
/// time.
@Isolated("what it promises is counted in seconds")
@Timeout(600)
@ExtendWith(LogsOnFailure.class)
final class StoppingIT {
    private static final Duration PROMISED = Duration.ofSeconds(2);

    /// With it a step takes long enough for a stream to be caught running.
    private static final String SLOW = "--failpoints=worker.before-step=sleep:10ms";

    private static final int TOKENS = 200;

    @Test
    void afterAKilledLauncherNothingIsLeft() throws Exception {
        try (ServedCluster cluster = serve();
                EventReader events = begunStream(cluster.api())) {
            cluster.launcher().signal("KILL");
            cluster.awaitNothingLeft(PROMISED);
            assertEndsInError(events);
        }
    }

    @Test
    void afterCtrlCNothingIsLeft() throws Exception {
        try (ServedCluster cluster = serve();
                EventReader events = begunStream(cluster.api())) {
            cluster.launcher().interruptGroup();
            cluster.awaitNothingLeft(PROMISED);
            assertEndsInError(events);
            assertEquals(ExitCode.INTERRUPTED, cluster.launcher().awaitExit(Eventually.PATIENCE));
        }
    }

    @Test
    void whoIsAskedToDrainFinishesItsStreams() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster = serve(sandbox);
                EventReader events = begunStream(cluster.api())) {
            cluster.launcher().signal("TERM");
            Generated generated = Generated.of(events);
            assertEquals("length", generated.finishReason());
            // The first event was read before.
            assertEquals(TOKENS - 1, generated.ids().size());
            assertEquals(ExitCode.OK, cluster.launcher().awaitExit(Eventually.PATIENCE));
            cluster.awaitNothingLeft(PROMISED);
            try (Stream<Path> files = Files.list(sandbox.folder())) {
                // Logs stay where the user wanted them.
                assertEquals(List.of(), files.filter(StoppingIT::isOfZooKeeper).toList());
            }
        }
    }

    private static boolean isOfZooKeeper(Path file) {
        return file.getFileName().toString().startsWith("zookeeper");
    }

    private static ServedCluster serve() throws Exception {
        return serve(Sandbox.quick());
    }

    private static ServedCluster serve(Sandbox sandbox) throws Exception {
        return ServedCluster.start(sandbox, Models.tiny(sandbox, 3), "--tensor-parallel=2", SLOW);
    }

    /// A stream whose first token has come.
    private static EventReader begunStream(Api api) {
        EventReader events =
                api.stream(
                        Requests.COMPLETIONS,
                        Requests.greedy(List.of(5, 6, 7), TOKENS).put("stream", true));
        assertEquals(
                1, events.next().orElseThrow().path("choices").path(0).path("token_ids").size());
        return events;
    }

    /// A stream that was cut must not look like one that is complete.
    private static void assertEndsInError(EventReader events) {
        JsonNode last = Json.object();
        for (Optional<JsonNode> next = events.next(); next.isPresent(); next = events.next()) {
            last = next.get();
        }
        assertEquals("server_error", last.path("error").path("type").asText(), last::toString);
    }
}
