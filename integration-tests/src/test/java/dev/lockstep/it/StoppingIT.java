// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.cluster.process.ExitCode;
import java.io.IOException;
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
            cluster.launcher().signalGroup("INT");
            cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            assertEndsInError(events);
            assertEquals(ExitCode.INTERRUPTED, cluster.launcher().awaitExit());
        }
    }

    /// When its first file is there, and the server that writes there starts.
    @Test
    void afterCtrlCInAStartNothingIsLeft() throws Exception {
        try (Sandbox sandbox = Sandbox.quick();
                var clock = new LoadAwareClock()) {
            LockstepProcess launcher =
                    sandbox.start(
                            "serve",
                            "serve",
                            ServedCluster.flags(sandbox, Models.tiny(sandbox, 3)));
            BoundedWait.await("ZooKeeper starts", () -> !zooKeeperFiles(sandbox).isEmpty());
            launcher.signalGroup("INT");
            sandbox.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            assertEquals(List.of(), zooKeeperFiles(sandbox));
            assertEquals(List.of(), sandbox.temporaryFiles());
        }
    }

    /// The second SIGTERM is ignored.
    @Test
    void sigtermLetsStreamsFinish() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster = serve(sandbox);
                EventReader events = begunStream(cluster.api())) {
            cluster.launcher().signalGroup("TERM");
            cluster.launcher().signalGroup("TERM");
            Generated generated = Generated.of(events);
            assertEquals("length", generated.finishReason());
            // begunStream has read the first event.
            assertEquals(TOKENS - 1, generated.ids().size());
            assertEquals(ExitCode.OK, cluster.launcher().awaitExit());
            try (var clock = new LoadAwareClock()) {
                cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            }
            // Logs are kept in the run folder.
            assertEquals(List.of(), zooKeeperFiles(sandbox));
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
            assertUnfinished(events);
            assertEquals(ExitCode.UNFINISHED, cluster.launcher().awaitExit());
            cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
        }
    }

    /// The second SIGINT is ignored.
    @Test
    void aSigintEndsADrainAtOnce() throws Exception {
        try (ServedCluster cluster = serve();
                EventReader events = begunStream(cluster.api())) {
            cluster.launcher().signal("TERM");
            BoundedWait.await("it drains", () -> cluster.api().statusOf("/livez") == 0);
            try (var clock = new LoadAwareClock()) {
                cluster.launcher().signal("INT");
                cluster.launcher().signal("INT");
                cluster.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            }
            assertUnfinished(events);
            assertEquals(ExitCode.INTERRUPTED, cluster.launcher().awaitExit());
        }
    }

    private static List<Path> zooKeeperFiles(Sandbox sandbox) throws IOException {
        try (Stream<Path> files = Files.list(sandbox.folder())) {
            return files.filter(file -> file.getFileName().toString().startsWith("zookeeper"))
                    .toList();
        }
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
        JsonNode error = error(events);
        assertEquals("server_error", error.path("type").asText(), error::toString);
    }

    /// Asserts that a stream ends because of a drain, with the id to ask for elsewhere.
    private static void assertUnfinished(EventReader events) {
        JsonNode error = error(events);
        assertEquals("draining", error.path("code").asText(), error::toString);
        assertTrue(error.path("response_id").asText().startsWith("cmpl-"), error::toString);
    }

    private static JsonNode error(EventReader events) {
        JsonNode last = JsonNodes.object();
        for (Optional<JsonNode> next = events.next(); next.isPresent(); next = events.next()) {
            last = next.get();
        }
        return last.path("error");
    }
}
