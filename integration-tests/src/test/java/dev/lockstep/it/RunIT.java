// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.process.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// `run` prints one completion and leaves nothing of its cluster but the logs.
@ExtendWith(LogsOnFailure.class)
final class RunIT {

    @Test
    void runPrintsACompletionAndLeavesNothing() throws Exception {
        try (Sandbox sandbox = Sandbox.quick()) {
            Path model = Models.tiny(sandbox, 2);
            List<String> arguments =
                    List.of(
                            sandbox.threads().getFirst(),
                            "--model=" + model,
                            "--group=" + sandbox.group(),
                            "--tensor-parallel=2",
                            "--max-tokens=16",
                            "Name three colours.");
            LockstepProcess run = sandbox.start("run", "run", arguments);
            assertEquals(ExitCode.OK, run.awaitExit(), run::errors);
            assertFalse(run.output().isBlank(), "a completion");
            assertEquals(List.of(), sandbox.leftovers());
            assertEquals(List.of(), sandbox.temporaryFiles());
            try (Stream<Path> files = Files.walk(sandbox.folder().resolve("state"))) {
                List<String> logs = files.map(file -> file.getFileName().toString()).toList();
                assertTrue(
                        logs.containsAll(
                                List.of(
                                        "launcher.log",
                                        "coordinator.log",
                                        "scheduler.log",
                                        "worker-0.log",
                                        "worker-1.log")),
                        logs::toString);
            }
        }
    }
}
