// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.ReservedPorts;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// With a journal, requests survive the death of coordinator and scheduler together, and of the
/// worker besides: their clients come back and get what is missing.
@ExtendWith(LogsOnFailure.class)
final class JournalIT {
    /// Of each stream: some seconds of steps.
    private static final int TOKENS = 100;

    /// Makes steps slow enough that streams still run when the test kills their processes.
    private static final String SLOW = "--failpoints=worker.before-step=sleep:20ms";

    /// Longer than any start takes.
    private static final String WINDOW = "--resume-window=10m";

    @Test
    void noRequestIsLostWithItsCoordinatorAndScheduler() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        SLOW,
                        WINDOW,
                        // The coordinator that starts again has it again.
                        "--port=" + ReservedPorts.next(),
                        "--durability=journal")) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            ObjectNode body = CompletionBodies.greedy(List.of(9, 8, 7), TOKENS);
            Api.Response before =
                    cluster.api().postWithKey(CompletionBodies.COMPLETIONS, "a", body);
            before.ok();
            survives(cluster, mix, List.of("coordinator", "scheduler"));
            survives(cluster, mix, List.of("coordinator", "scheduler", "worker"));
            Api.Response after = cluster.api().postWithKey(CompletionBodies.COMPLETIONS, "a", body);
            assertEquals(before.body(), after.body(), "the journal has the answer");
        }
    }

    private static void survives(ServedCluster cluster, StreamMix mix, List<String> roles)
            throws Exception {
        int broken = 0;
        // On a busy machine every stream may have ended before.
        for (int i = 0; i < StreamMix.TRIES && broken == 0; i++) {
            broken = breaks(cluster, mix, roles);
        }
        assertTrue(broken > 0, roles::toString);
    }

    /// Returns how many streams were running when the processes were killed.
    private static int breaks(ServedCluster cluster, StreamMix mix, List<String> roles)
            throws Exception {
        List<StreamMix.Running> streams = mix.begin(cluster.api());
        streams.getFirst().read(TOKENS / 5);
        Sandbox sandbox = cluster.sandbox();
        List<Long> killed = roles.stream().map(sandbox::processIdOf).toList();
        killed.forEach(process -> PosixSignals.send("KILL", Long.toString(process)));
        BoundedWait.await(
                "others serve",
                () ->
                        sandbox.findProcess("coordinator")
                                        .filter(process -> !killed.contains(process))
                                        .isPresent()
                                && cluster.api().isReady());
        StreamMix.resumeAt(cluster.api(), streams);
        mix.requireUndisturbed(streams);
        BoundedWait.await(
                "the blocks are back",
                () -> cluster.admin().group(sandbox.group()).filter(Baseline::isEmpty).isPresent());
        return streams.stream().mapToInt(StreamMix.Running::breaks).sum();
    }
}
