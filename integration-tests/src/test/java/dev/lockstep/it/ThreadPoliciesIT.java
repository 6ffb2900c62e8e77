// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Beside compute threads, no thread of the cluster takes a core from a running one.
@ExtendWith(LogsOnFailure.class)
final class ThreadPoliciesIT {
    private static final Path CHRT = Path.of("/usr/bin/chrt");
    private static final int SCHED_OTHER = 0;
    private static final int SCHED_BATCH = 3;

    /// Where the policy is, counted from the field behind the thread's name.
    private static final int POLICY = 38;

    /// A thread, whose name has 15 characters at most.
    private record PolicyOf(String thread, int policy) {}

    @Test
    void allThreadsButThoseThatComputeAreOfTheBatchPolicy() throws Exception {
        assumeTrue(Files.isExecutable(CHRT), "chrt is missing");
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster = ServedCluster.start(sandbox, Models.tiny(sandbox, 3))) {
            cluster.api()
                    .post(
                            CompletionBodies.COMPLETIONS,
                            CompletionBodies.greedy(2).put("prompt", "a"));
            for (String process : List.of("coordinator", "scheduler")) {
                assertEquals(
                        Set.of(SCHED_BATCH),
                        policies(sandbox.processIdOf(process)).stream()
                                .map(PolicyOf::policy)
                                .collect(Collectors.toSet()),
                        process);
            }
            for (PolicyOf each : policies(sandbox.processIdOf("worker"))) {
                boolean computes =
                        each.thread().equals("step-runner")
                                || each.thread().startsWith("lockstep-comput");
                assertEquals(computes ? SCHED_OTHER : SCHED_BATCH, each.policy(), each.thread());
            }
        }
    }

    private static List<PolicyOf> policies(long process) {
        try (Stream<Path> threads = Files.list(Path.of("/proc/" + process + "/task"))) {
            return threads.map(ThreadPoliciesIT::policy).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static PolicyOf policy(Path thread) {
        try {
            String stat = Files.readString(thread.resolve("stat"));
            int nameEnds = stat.lastIndexOf(')');
            return new PolicyOf(
                    stat.substring(stat.indexOf('(') + 1, nameEnds),
                    Integer.parseInt(stat.substring(nameEnds + 2).split(" ", -1)[POLICY]));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
