// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Ranks in separate processes that share the memory of their host, and what they say when one is
/// killed or stopped.
@Tag("processes")
final class HostCommunicatorProcessTest implements ProcessContract {
    private HostGroup group;

    @BeforeEach
    void makeFolder() throws IOException {
        group = new HostGroup();
    }

    @AfterEach
    void nothingIsLeftInSharedMemory() throws IOException {
        List<?> left = group.files();
        group.close();
        assertEquals(List.of(), left);
    }

    @Override
    public Class<? extends RankOpening> opening() {
        return RankOpening.OfHost.class;
    }

    @Override
    public Path folder() {
        return group.folder;
    }

    @Override
    public boolean sumsInRankOrder() {
        return true;
    }

    @Override
    public Duration abortLimit() {
        return Duration.ofSeconds(5);
    }

    @Override
    public void requireLost(String line, RankProcess gone) {
        assertEquals("aborted: rank 1 (process %d) is gone".formatted(gone.pid()), line);
    }

    @Test
    void aStoppedRankAbortsTheOtherAndItselfOnceContinued() throws Exception {
        try (ForkedRanks ranks = fork(2, ForkedRanks.ENDLESS)) {
            ranks.awaitRunning();
            RankProcess stopped = ranks.rank(1);
            stopped.signal("STOP");
            String expected =
                    "aborted: rank 1 (process %d) sent no heartbeat for 3.0 s"
                            .formatted(stopped.pid());
            assertEquals(expected, ranks.rank(0).awaitLine("aborted", abortLimit()));
            stopped.signal("CONT");
            assertEquals(expected, stopped.awaitLine("aborted", abortLimit()));
        }
    }

    @Test
    void aGroupStoppedAndContinuedAsAWholeKeepsRunning() throws Exception {
        try (ForkedRanks ranks = fork(2, ForkedRanks.ENDLESS)) {
            ranks.awaitRunning();
            ranks.signalAll("STOP");
            Thread.sleep(3500); // Longer than a heartbeat may be missing.
            ranks.signalAll("CONT");
            Thread.sleep(1000); // Two ticks, in which a rank might abort the group.
            ranks.rank(1).signal("KILL");
            requireLost(ranks.rank(0).awaitLine("aborted", abortLimit()), ranks.rank(1));
        }
    }

    @Test
    void theNextGroupRemovesTheFileOfARankZeroKilledWhileForming() throws Exception {
        try (RankProcess alone =
                RankProcess.fork(opening(), List.of(), Map.of(), group.folder, 0, 2, 1)) {
            alone.awaitLine("started");
            while (group.files().isEmpty() || Files.size(group.files().getFirst()) == 0) {
                Thread.sleep(5);
            }
            alone.signal("KILL");
            alone.awaitEnd();
        }
        assertEquals(1, group.files().size());
        group.onEveryRank(2, (communicator, _) -> communicator.barrier());
        assertEquals(List.of(), group.files());
    }
}
