// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.cluster.ReservedPorts;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
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

    /// What ends running streams.
    @FunctionalInterface
    private interface Strike {
        void on(Sandbox sandbox) throws Exception;
    }

    /// Longer than any start takes.
    private static final String WINDOW = "--resume-window=10m";

    @Test
    void noRequestIsLostWithItsCoordinatorAndScheduler() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        Path unsynced = sandbox.folder().resolve("unsynced");
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        SLOW + ",coordinator.before-journal-sync=exit@" + unsynced,
                        WINDOW,
                        // The coordinator that starts again has it again.
                        "--port=" + ReservedPorts.next(),
                        "--durability=journal")) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            ObjectNode body = CompletionBodies.greedy(List.of(9, 8, 7), TOKENS);
            Api.Response before =
                    cluster.api().postWithKey(CompletionBodies.COMPLETIONS, "a", body);
            before.ok();
            survives(cluster, mix, kill("coordinator", "scheduler"));
            survives(cluster, mix, kill("coordinator", "scheduler", "worker"));
            // The coordinator has appended tokens and not waited for the disk.
            survives(cluster, mix, _ -> failNextSync(cluster.api(), unsynced));
            assertTrue(
                    metric(cluster, "recovered") > 0 && metric(cluster, "commits") > 0,
                    () -> cluster.api().text("/metrics"));
            Api.Response after = cluster.api().postWithKey(CompletionBodies.COMPLETIONS, "a", body);
            assertEquals(before.body(), after.body(), "the journal has the answer");
        }
    }

    private static Strike kill(String... roles) {
        return sandbox -> {
            for (long process : Stream.of(roles).map(sandbox::processIdOf).toList()) {
                PosixSignals.send("KILL", Long.toString(process));
            }
        };
    }

    /// Lets the coordinator end before it waits for the disk. On a busy machine every stream may
    /// have ended before: the begin of one more is awaited, too.
    private static void failNextSync(Api api, Path unsynced) throws IOException {
        Files.createFile(unsynced);
        ObjectNode body = CompletionBodies.greedy(List.of(3, 4, 5), 1).put("stream", true);
        try (EventReader _ = api.stream(CompletionBodies.COMPLETIONS, body)) {
            // The next coordinator may have it already.
        } catch (UncheckedIOException e) {
            // Its coordinator has ended.
        }
    }

    private static double metric(ServedCluster cluster, String name) {
        return cluster.api()
                .text("/metrics")
                .lines()
                .filter(line -> line.startsWith("lockstep_journal_" + name + "_total "))
                .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                .findFirst()
                .orElseThrow();
    }

    private static void survives(ServedCluster cluster, StreamMix mix, Strike strike)
            throws Exception {
        int broken = 0;
        // On a busy machine every stream may have ended before.
        for (int i = 0; i < StreamMix.TRIES && broken == 0; i++) {
            broken = breaks(cluster, mix, strike);
        }
        assertTrue(broken > 0, "no stream was running");
    }

    /// Returns how many streams were running when the processes were killed.
    private static int breaks(ServedCluster cluster, StreamMix mix, Strike strike)
            throws Exception {
        List<StreamMix.Running> streams = mix.begin(cluster.api());
        streams.getFirst().read(TOKENS / 5);
        Sandbox sandbox = cluster.sandbox();
        long coordinator = sandbox.processIdOf("coordinator");
        strike.on(sandbox);
        BoundedWait.await(
                "another one serves",
                () ->
                        sandbox.findProcess("coordinator")
                                        .filter(process -> process != coordinator)
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
