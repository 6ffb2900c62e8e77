package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import dev.lockstep.cluster.process.ExitCode;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/// One question, one answer, and nothing is left of the cluster that gave it.
@Timeout(300)
@ExtendWith(LogsOnFailure.class)
final class RunIT {

    @Test
    void runAnswersAndLeavesNothingBehind() throws Exception {
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
            assertEquals(ExitCode.OK, run.awaitExit(Eventually.PATIENCE), run::errors);
            assertFalse(run.output().isBlank(), "an answer");
            sandbox.awaitNothingLeft(Duration.ZERO);
            assertEquals(List.of(), sandbox.temporaryFiles());
        }
    }
}
