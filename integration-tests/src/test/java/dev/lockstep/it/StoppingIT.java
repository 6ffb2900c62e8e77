// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.cluster.process.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;

/// When the launcher ends, for any reason, all its processes end; only SIGTERM lets streams finish.
@Isolated("the guaranteed time is in seconds")
@ExtendWith(LogsOnFailure.class)
final class StoppingIT {
    /// The guarantee: after this time nothing is left.
    private static final Duration CLEAN_UP_LIMIT = Duration.ofSeconds(2);

    /// Makes steps slow enough that a stream still runs when the test stops the cluster.
    private static final String SLOW = "--failpoints=worker.before-step=sleep:10ms";

    private static final int TOKENS = 200;

    @Test
    void afterAKilledLauncherNothingIsLeft() throws Exception {
        try (ServedCluster cluster = serve();
                EventReader events = begunStream(cluster.api());
                var clock = new LoadAwareClock()) {
            cluster.launcher().signal("KILL");
            cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            assertEndsInError(events);
        }
    }

    /// A stopped process does not read the end of its input.
    @Test
    void afterAKilledLauncherAStoppedWorkerIsGoneToo() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster = serve(sandbox);
                var clock = new LoadAwareClock()) {
            PosixSignals.send("STOP", Long.toString(sandbox.processIdOf("worker")));
            cluster.launcher().signal("KILL");
            cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
        }
    }

    @Test
    void afterCtrlCNothingIsLeft() throws Exception {
        try (ServedCluster cluster = serve();
                EventReader events = begunStream(cluster.api());
                var clock = new LoadAwareClock()) {
            cluster.launcher().interruptGroup();
            cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            assertEndsInError(events);
            assertEquals(ExitCode.INTERRUPTED, cluster.launcher().awaitExit());
        }
    }

    @Test
    void sigtermLetsStreamsFinish() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster = serve(sandbox);
                EventReader events = begunStream(cluster.api())) {
            cluster.launcher().signal("TERM");
            Generated generated = Generated.of(events);
            assertEquals("length", generated.finishReason());
            // begunStream has read the first event.
            assertEquals(TOKENS - 1, generated.ids().size());
            assertEquals(ExitCode.OK, cluster.launcher().awaitExit());
            try (var clock = new LoadAwareClock()) {
                cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            }
            try (Stream<Path> files = Files.list(sandbox.folder())) {
                // Logs are kept in the run folder.
                assertEquals(List.of(), files.filter(StoppingIT::isOfZooKeeper).toList());
            }
        }
    }

    /// Its steps are so slow that the stream takes many times the drain time-out.
    @Test
    void sigtermEndsAStreamThatIsLongerThanTheDrainTimeOut() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                        ServedCluster.start(
                                sandbox,
                                Models.tiny(sandbox, 3),
                                "--drain-timeout=1s",
                                "--failpoints=worker.before-step=sleep:100ms");
                EventReader events = begunStream(cluster.api());
                var clock = new LoadAwareClock()) {
            cluster.launcher().signal("TERM");
            assertEndsInError(events);
            assertEquals(ExitCode.OK, cluster.launcher().awaitExit());
            cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
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

    /// Opens a stream and reads its first token.
    private static EventReader begunStream(Api api) {
        EventReader events =
                api.stream(
                        CompletionBodies.COMPLETIONS,
                        CompletionBodies.greedy(List.of(5, 6, 7), TOKENS).put("stream", true));
        assertEquals(
                1, events.next().orElseThrow().path("choices").path(0).path("token_ids").size());
        return events;
    }

    /// Asserts that a truncated stream ends with an error, unlike a complete one.
    private static void assertEndsInError(EventReader events) {
        JsonNode last = JsonNodes.object();
        for (Optional<JsonNode> next = events.next(); next.isPresent(); next = events.next()) {
            last = next.get();
        }
        assertEquals("server_error", last.path("error").path("type").asText(), last::toString);
    }
}
