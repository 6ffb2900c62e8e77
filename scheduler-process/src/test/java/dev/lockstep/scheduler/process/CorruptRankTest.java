// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.GenerateRequest;
import dev.lockstep.scheduler.WaitingLimits;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Ranks whose results are wrong are taken out, and the requests of their group go on with others.
class CorruptRankTest {
    private static final WaitingLimits LIMITS = new WaitingLimits(100, 1000);

    @Test
    void aRankWhoseChecksumDiffersFromMostIsReplacedAndItsRequestsGoOn() throws Exception {
        try (var rig = new Rig(Rig.cluster(), 3, LIMITS)) {
            List<FakeRank> ranks = start(rig, 3);
            rig.awaitReady();
            ranks.forEach(rank -> rank.report(rank == ranks.get(1) ? 6 : 5));
            GenerateRequest request = Rig.request("a", 3, 1, 30).build();
            TestCall call = rig.generate(request);
            Eventually.await("rank 1 must end", () -> !ranks.get(1).expelled().isEmpty());
            assertEquals("", ranks.get(0).expelled());
            assertEquals("", ranks.get(2).expelled());
            assertTrue(rig.notices.take().startsWith("group g: 1 rank starts again"), "the notice");
            rig.leave(ranks.get(1));
            rig.startRank(1, 3).report(5);
            assertEquals(Rig.expected(request, 0), call.await().ids.get(0));
            rig.awaitStatus(status -> status.getReady() && status.getExpelledRanks() == 1);
        }
    }

    @Test
    void anIdleGroupRunsCanaryStepsAndAWrongTokenReplacesEveryRank() throws Exception {
        try (var rig = new Rig(Rig.cluster(), 2, LIMITS)) {
            List<FakeRank> ranks = start(rig, 2);
            rig.awaitStatus(status -> status.getCanarySteps() > 0);
            ranks.forEach(rank -> rank.find(rank.member.rank() == 0 ? 8 : 0, 11));
            for (FakeRank rank : ranks) {
                Eventually.await("it must end", () -> !rank.expelled().isEmpty());
                assertTrue(rank.expelled().contains("token 8, known is 7"), rank.expelled());
                rig.leave(rank);
            }
            start(rig, 2);
            rig.awaitStatus(status -> status.getReady() && status.getExpelledRanks() == 2);
        }
    }

    private static List<FakeRank> start(Rig rig, int size) throws Exception {
        List<FakeRank> ranks = new ArrayList<>();
        for (int rank = 0; rank < size; rank++) {
            ranks.add(rig.startRank(rank, size));
        }
        return ranks;
    }
}
