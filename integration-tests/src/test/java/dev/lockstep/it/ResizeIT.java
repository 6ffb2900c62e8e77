// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.proto.v1.GroupStatus;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/// Streams of every kind go on while their group gets another number of ranks.
@ExtendWith(LogsOnFailure.class)
final class ResizeIT {
    private static final int TOKENS = 60;

    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 8);

    /// What an operator does.
    @FunctionalInterface
    private interface Act {
        void run() throws Exception;
    }

    @Test
    void noRequestIsLostWhenTheNumberOfRanksChanges() throws Exception {
        Sandbox sandbox = Sandbox.quick();
        Path dies = sandbox.folder().resolve("dies");
        try (ServedCluster cluster =
                ServedCluster.start(
                        sandbox,
                        Models.tiny(sandbox, 4),
                        "--failpoints=worker.before-step=sleep:10ms,worker.before-form=exit@"
                                + dies)) {
            StreamMix mix = StreamMix.undisturbed(cluster.api(), TOKENS);
            Baseline baseline = Baseline.of(cluster);
            GroupStatus before = cluster.group();
            refusesWhatIsNotPossible(cluster);
            assertEquals(before.getEpoch(), cluster.group().getEpoch(), "nothing has changed");

            try (var load = new BackgroundLoad(cluster.api(), SMALL, 2)) {
                // A new rank dies when the group is formed with it: the old one goes on.
                assertMigrates(
                        mix,
                        cluster,
                        () -> {
                            Files.createFile(dies);
                            assertRefused(
                                    cluster,
                                    sandbox.group(),
                                    2,
                                    Status.Code.ABORTED,
                                    "-of-2 ended with exit code 86");
                        });
                GroupStatus again =
                        BoundedWait.find(
                                () -> "the old rank serves",
                                () ->
                                        cluster.admin()
                                                .group(sandbox.group())
                                                .filter(it -> it.getEpoch() > before.getEpoch()));
                assertEquals(before.getRanksList(), again.getRanksList(), "the same process");

                assertMigrates(
                        mix,
                        cluster,
                        () -> {
                            cluster.admin().resize(sandbox.group(), 1);
                            cluster.admin().resize(sandbox.group(), 2);
                        });
                awaitRanks(cluster, 2);
                assertEquals(before.getLosses(), cluster.group().getLosses());
                int served = load.count("ok");
                BoundedWait.await("requests are served", () -> load.count("ok") > served);
                assertEquals(Set.of("ok"), load.outcomes().keySet(), load.outcomes()::toString);
            }
            // The launcher goes on without the scheduler that was asked.
            repeat(
                    mix,
                    cluster,
                    () -> {
                        try (ExecutorService thread = Executors.newVirtualThreadPerTaskExecutor()) {
                            Future<?> wish =
                                    thread.submit(() -> cluster.admin().resize(sandbox.group(), 1));
                            BoundedWait.await(
                                    "three workers",
                                    () -> sandbox.processIdsOf("worker").size() == 3);
                            PosixSignals.send(
                                    "KILL", Long.toString(sandbox.processIdOf("scheduler")));
                            assertThrows(Exception.class, wish::get);
                        }
                        awaitRanks(cluster, 1);
                    });
            baseline.awaitRestored();
            assertEquals(0, cluster.group().getPoisoned());
        }
    }

    private static void refusesWhatIsNotPossible(ServedCluster cluster) {
        String group = cluster.sandbox().group();
        cluster.admin().resize(group, 1);
        assertRefused(cluster, "nowhere", 2, Status.Code.NOT_FOUND, "no group is named nowhere");
        assertRefused(
                cluster, group, 0, Status.Code.INVALID_ARGUMENT, "ranks is 0, the least is 1");
        assertRefused(
                cluster,
                group,
                5,
                Status.Code.FAILED_PRECONDITION,
                "tensor-parallel 5: must be between 1 and the model's 4 query heads");
    }

    private static void assertRefused(
            ServedCluster cluster, String group, int ranks, Status.Code code, String why) {
        StatusRuntimeException refused =
                assertThrows(
                        StatusRuntimeException.class, () -> cluster.admin().resize(group, ranks));
        assertEquals(code, refused.getStatus().getCode(), refused::toString);
        assertTrue(
                String.valueOf(refused.getStatus().getDescription()).contains(why),
                refused::toString);
    }

    private static void awaitRanks(ServedCluster cluster, int ranks) throws Exception {
        BoundedWait.await(
                ranks + " ranks",
                () ->
                        cluster.admin()
                                .group(cluster.sandbox().group())
                                .filter(it -> it.getReady() && it.getRanksCount() == ranks)
                                .isPresent());
    }

    /// Requires that streams go on in another epoch because of what is done: again, where all of
    /// them had just ended.
    private static void assertMigrates(StreamMix mix, ServedCluster cluster, Act act)
            throws Exception {
        int migrations = 0;
        for (int i = 0; i < StreamMix.TRIES && migrations == 0; i++) {
            migrations = repeat(mix, cluster, act);
        }
        assertTrue(migrations > 0, "a stream went on");
    }

    /// Runs streams while something is done. Returns how often one went on in another epoch.
    private static int repeat(StreamMix mix, ServedCluster cluster, Act act) throws Exception {
        var acting = new AtomicBoolean(true);
        try (ExecutorService thread = Executors.newVirtualThreadPerTaskExecutor()) {
            Future<Integer> streams = thread.submit(() -> mix.repeat(cluster.api(), acting::get));
            try {
                act.run();
            } finally {
                acting.set(false);
            }
            return streams.get();
        }
    }
}
