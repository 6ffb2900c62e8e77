// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;

/// A process that runs out of memory, and one that cannot start again.
@ExtendWith(LogsOnFailure.class)
final class ResourceFaultsIT {
    private static final int TOKENS = 150;

    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 4);

    @Test
    void aWorkerWithoutMemoryDelaysRequests() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        Path full = sandbox.folder().resolve("full");
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--failpoints=worker.before-step=sleep:10ms,worker.after-step=memory@"
                                + full)) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            Baseline baseline = Baseline.of(cluster);
            long pid = sandbox.processIdOf("worker");
            mix.requireUndisturbedBy(() -> fill(full), cluster.api());
            assertTrue(pid != sandbox.processIdOf("worker"), "another worker runs");
            String errors = cluster.launcher().errors();
            // The exit code of a JVM whose heap is full.
            assertTrue(errors.contains("worker-0 ended with exit code 3"), errors);
            baseline.awaitRestored();
        }
    }

    /// Lets the worker ask for more memory than it has, and waits until it does so: a step for
    /// streams, or the next canary step once they have ended. So it happens once in each try.
    private static void fill(Path full) throws Exception {
        Files.createFile(full);
        BoundedWait.await("the worker asks for memory", () -> Files.notExists(full));
    }

    /// Its files were damaged after it had started.
    @Test
    @EnabledIfSystemProperty(
            named = "lockstep.long",
            matches = "true",
            disabledReason = "waits for the longest back-off")
    void aWorkerThatCannotStartAgainIsReportedAndServesOnceItsFilesAreMended() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        Path model = Models.tiny(sandbox, 4);
        try (ServedCluster cluster = ServedCluster.start(sandbox, model)) {
            Path shard = model.resolve("model.safetensors");
            byte[] good = Files.readAllBytes(shard);
            Baseline baseline = Baseline.of(cluster);
            Generated expected =
                    Generated.of(cluster.api().post(CompletionBodies.COMPLETIONS, SMALL).ok());
            try (FileChannel file = FileChannel.open(shard, StandardOpenOption.WRITE)) {
                file.write(ByteBuffer.wrap(new byte[] {-1, -1, -1}), 5);
            }
            PosixSignals.send("KILL", Long.toString(sandbox.processIdOf("worker")));
            BoundedWait.await(
                    "it counts as failed",
                    () -> cluster.launcher().errors().contains("worker-0 has failed"));
            String errors = cluster.launcher().errors();
            assertTrue(errors.contains("model.safetensors"), errors);
            // A request that waited for the worker would time out.
            assertEquals(503, cluster.api().post(CompletionBodies.COMPLETIONS, SMALL).status());
            Files.write(shard, good);
            BoundedWait.await("it serves again", () -> cluster.api().isReady());
            assertEquals(
                    expected,
                    Generated.of(cluster.api().post(CompletionBodies.COMPLETIONS, SMALL).ok()));
            baseline.awaitRestored();
        }
    }
}
