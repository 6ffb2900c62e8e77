// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// The contract of ranks in separate processes, as in production.
interface ProcessContract {

    Class<? extends RankOpening> opening();

    /// Returns the number of ranks of a group.
    default int ranks() {
        return 3;
    }

    /// Returns further options of the forked JVMs.
    default List<String> jvmOptions() {
        return List.of();
    }

    /// Returns further variables of the process of a rank.
    default Map<String, String> environment(int rank, int size) {
        return Map.of();
    }

    /// Returns the folder in which the ranks of one test meet.
    Path folder();

    boolean sumsInRankOrder();

    /// How long a rank may wait for a lost peer.
    Duration abortLimit();

    /// Requires what a rank says when another is gone.
    void requireLost(String line, RankProcess gone);

    default ForkedRanks fork(int size, int rounds) throws Exception {
        return new ForkedRanks(
                opening(), jvmOptions(), rank -> environment(rank, size), folder(), size, rounds);
    }

    @Test
    default void processesGetTheSameBits() throws Exception {
        try (ForkedRanks ranks = fork(ranks(), 200)) {
            List<String> done = ranks.awaitLines("done");
            String expected =
                    sumsInRankOrder()
                            ? "done " + RankProcess.expectedDigest(ranks(), 200)
                            : done.getFirst();
            assertEquals(Collections.nCopies(ranks(), expected), done);
        }
    }

    @Test
    default void theOthersFailSoonAfterARankIsKilled() throws Exception {
        try (ForkedRanks ranks = fork(ranks(), ForkedRanks.ENDLESS)) {
            ranks.awaitRunning();
            ranks.rank(1).signal("KILL");
            for (RankProcess rank : ranks.others(1)) {
                requireLost(rank.awaitLine("aborted", abortLimit()), ranks.rank(1));
            }
        }
    }
}
