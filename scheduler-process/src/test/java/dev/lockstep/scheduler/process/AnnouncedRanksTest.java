// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.Membership;
import dev.lockstep.cluster.process.Randomness;
import java.util.List;
import org.junit.jupiter.api.Test;

class AnnouncedRanksTest {
    private static Member worker(int rank, int size) {
        String incarnation = Randomness.secure().nextIncarnation();
        return Member.worker("g", rank, size, "h", rank + 1, incarnation);
    }

    private static AnnouncedRanks of(int ranks, Member... members) {
        return AnnouncedRanks.of(new Membership.Snapshot(List.of(members)), "g", ranks);
    }

    @Test
    void theNewestProcessOfEachRankCountsWhateverOtherNumberIsAnnounced() {
        Member single = worker(0, 1);
        Member old = worker(0, 2);
        Member first = worker(0, 2);
        Member second = worker(1, 2);
        AnnouncedRanks two = of(2, old, second, first, single);
        assertEquals(new AnnouncedRanks(List.of(first, second), ""), two);
        assertEquals(List.of(first.incarnation(), second.incarnation()), two.incarnations());
        assertEquals(new AnnouncedRanks(List.of(single), ""), of(1, single, old, first, second));
    }

    @Test
    void whatIsMissingIsSaid() {
        assertEquals("group g has 0 of 1 workers", of(1).missing());
        assertEquals("group g has 1 of 2 workers", of(2, worker(1, 2)).missing());
        assertEquals(
                "worker g/0 at h:1 is one of 1 ranks, this scheduler has --tensor-parallel 2",
                of(2, worker(0, 1), worker(1, 2)).missing());
    }
}
