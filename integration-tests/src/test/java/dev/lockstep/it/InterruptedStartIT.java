// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.LoadAwareClock;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// A start that ends at any moment leaves no process, no shared memory and no file.
@Isolated("the guaranteed time is in seconds")
@ExtendWith(LogsOnFailure.class)
final class InterruptedStartIT {
    private static final Duration CLEAN_UP_LIMIT = Duration.ofSeconds(2);

    private static final List<String> LOGS =
            List.of("worker-0.log", "worker-1.log", "scheduler.log", "coordinator.log");

    /// @param moment a time after the start, or the command of the first child to wait for, or
    ///   until every child has begun its log: a JVM that boots does not see that its parent ended
    @ParameterizedTest
    @CsvSource({"TERM, 50", "TERM, worker", "INT, worker", "KILL, logs"})
    void nothingIsLeftOfAStartThatASignalEnds(String signal, String moment) throws Exception {
        try (Sandbox sandbox = Sandbox.quick()) {
            LockstepProcess serve =
                    sandbox.start(
                            "serve",
                            "serve",
                            ServedCluster.flags(
                                    sandbox, Models.tiny(sandbox, 3), "--tensor-parallel=2"));
            if (moment.equals("50")) {
                Thread.sleep(50);
            } else {
                BoundedWait.await(
                        moment + " of a child",
                        () -> {
                            assertTrue(serve.isAlive(), serve::errors);
                            return moment.equals("logs")
                                    ? LOGS.stream()
                                            .map(sandbox.folder()::resolve)
                                            .allMatch(Files::exists)
                                    : !sandbox.processIdsOf(moment).isEmpty();
                        });
            }
            try (var clock = new LoadAwareClock()) {
                serve.signal(signal);
                sandbox.awaitNothingLeft(CLEAN_UP_LIMIT, clock);
            }
            serve.awaitExit();
        }
    }
}
