// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Ranks in separate processes, as in production, and their behaviour when one is killed or
/// stopped.
@Tag("processes")
final class HostCommunicatorProcessTest {
    /// The guarantee: no rank waits longer for a lost peer.
    private static final Duration ABORT_LIMIT = Duration.ofSeconds(5);

    private static final int ENDLESS = Integer.MAX_VALUE;

    private final List<RankProcess> ranks = new ArrayList<>();
    private HostGroup group;

    @BeforeEach
    void makeFolder() throws IOException {
        group = new HostGroup();
    }

    @AfterEach
    void endProcesses() throws IOException {
        ranks.forEach(RankProcess::close);
        group.close();
    }

    private void fork(int size, int rounds) throws IOException {
        for (int rank = 0; rank < size; rank++) {
            ranks.add(RankProcess.fork(group.folder, rank, size, rounds));
        }
    }

    @Test
    void processesGetTheSameBitsAsThePlainSum() throws Exception {
        fork(3, 200);
        String expected = "done " + RankProcess.expectedDigest(3, 200);
        for (RankProcess rank : ranks) {
            assertEquals(expected, rank.awaitLine("done"));
        }
    }

    @Test
    void aKilledRankAbortsTheOthersAndLeavesNoFile() throws Exception {
        fork(3, ENDLESS);
        awaitRunning();
        assertEquals(List.of(), group.files());
        RankProcess killed = ranks.remove(1);
        killed.signal("KILL");
        for (RankProcess rank : ranks) {
            assertEquals(
                    "aborted: rank 1 (process %d) is gone".formatted(killed.pid()),
                    rank.awaitLine("aborted", ABORT_LIMIT));
        }
        assertEquals(List.of(), group.files());
    }

    @Test
    void aStoppedRankAbortsTheOtherAndItselfOnceContinued() throws Exception {
        fork(2, ENDLESS);
        awaitRunning();
        RankProcess stopped = ranks.get(1);
        stopped.signal("STOP");
        String expected =
                "aborted: rank 1 (process %d) sent no heartbeat for 3.0 s".formatted(stopped.pid());
        assertEquals(expected, ranks.getFirst().awaitLine("aborted", ABORT_LIMIT));
        stopped.signal("CONT");
        assertEquals(expected, stopped.awaitLine("aborted", ABORT_LIMIT));
    }

    @Test
    void aGroupStoppedAndContinuedAsAWholeKeepsRunning() throws Exception {
        fork(2, ENDLESS);
        awaitRunning();
        signalAll("STOP");
        Thread.sleep(3500); // Longer than a heartbeat may be missing.
        signalAll("CONT");
        Thread.sleep(1000); // Two ticks, in which a rank might abort the group.
        RankProcess killed = ranks.removeLast();
        killed.signal("KILL");
        assertEquals(
                "aborted: rank 1 (process %d) is gone".formatted(killed.pid()),
                ranks.getFirst().awaitLine("aborted", ABORT_LIMIT));
    }

    @Test
    void theNextGroupRemovesTheFileOfARankZeroKilledWhileForming() throws Exception {
        ranks.add(RankProcess.fork(group.folder, 0, 2, 1));
        RankProcess alone = ranks.getFirst();
        alone.awaitLine("started");
        while (group.files().isEmpty() || Files.size(group.files().getFirst()) == 0) {
            Thread.sleep(5);
        }
        alone.signal("KILL");
        alone.awaitEnd();
        assertEquals(1, group.files().size());
        group.onEveryRank(2, (communicator, _) -> communicator.barrier());
        assertEquals(List.of(), group.files());
    }

    private void signalAll(String signal) throws IOException, InterruptedException {
        for (RankProcess rank : ranks) {
            rank.signal(signal);
        }
    }

    private void awaitRunning() throws InterruptedException {
        for (RankProcess rank : ranks) {
            rank.awaitLine("running");
        }
    }
}
