// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.launch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.HostCpus;
import java.util.List;
import org.junit.jupiter.api.Test;

class HostPlanTest {
    private static final HostCpus CORES = new HostCpus(5, List.of(0, 2, 4, 6, 8));

    /// Ranks that hold 2 and 1 of 3 KV heads.
    private static final List<Long> UNEVEN = List.of(200L, 100L);

    private static final long BLOCK = 300 * 16;

    private static List<Integer> threads(HostPlan plan) {
        return plan.ranks().stream().map(HostPlan.RankPlan::threads).toList();
    }

    private static List<List<Integer>> cpus(HostPlan plan) {
        return plan.ranks().stream().map(HostPlan.RankPlan::cpus).toList();
    }

    @Test
    void threadsAreDividedEvenlyAndTheFirstRanksGetTheRemainder() {
        HostPlan plan = HostPlan.of(UNEVEN, CORES, 5, 100 * BLOCK);
        assertEquals(List.of(3, 2), threads(plan));
        assertEquals(List.of(List.of(0, 2, 4), List.of(6, 8)), cpus(plan));
        assertFalse(plan.oversubscribed());
        assertEquals(5, plan.cores());
    }

    @Test
    void fewerThreadsThanCoresLeaveCoresFree() {
        HostPlan plan = HostPlan.of(UNEVEN, CORES, 3, 100 * BLOCK);
        assertEquals(List.of(2, 1), threads(plan));
        assertEquals(List.of(List.of(0, 2), List.of(4)), cpus(plan));
    }

    @Test
    void moreThreadsThanCoresAreNotPinnedAndDoNotSpin() {
        HostPlan plan = HostPlan.of(UNEVEN, CORES, 6, 100 * BLOCK);
        assertTrue(plan.oversubscribed());
        assertEquals(List.of(3, 3), threads(plan));
        assertEquals(List.of(List.of(), List.of()), cpus(plan));
    }

    @Test
    void threadsUnderAQuotaAreNotPinned() {
        HostPlan plan = HostPlan.of(UNEVEN, new HostCpus(3, List.of()), 3, 100 * BLOCK);
        assertFalse(plan.oversubscribed());
        assertEquals(List.of(2, 1), threads(plan));
        assertEquals(List.of(List.of(), List.of()), cpus(plan));
    }

    @Test
    void everyRankHasAThread() {
        HostPlan plan = HostPlan.of(List.of(1L, 1L, 1L), new HostCpus(1, List.of(7)), 1, 1000);
        assertEquals(List.of(1, 1, 1), threads(plan));
        assertTrue(plan.oversubscribed());
    }

    @Test
    void kvMemoryIsDividedByTheBytesPerTokenOfEachRank() {
        // A total that is not a multiple of a block: the rest stays free.
        HostPlan plan = HostPlan.of(UNEVEN, CORES, 2, 10 * BLOCK + 17);
        assertEquals(10 * 200 * 16, plan.ranks().get(0).kvBytes());
        assertEquals(10 * 100 * 16, plan.ranks().get(1).kvBytes());
    }

    @Test
    void atLeastTwoBlocksAreRequired() {
        assertEquals(
                2 * 200 * 16, HostPlan.of(UNEVEN, CORES, 2, 2 * BLOCK).ranks().get(0).kvBytes());
        UnusableException refusal =
                assertThrows(
                        UnusableException.class,
                        () -> HostPlan.of(UNEVEN, CORES, 2, 2 * BLOCK - 1));
        assertEquals(
                "9599 bytes of KV memory hold 1 KV blocks of 4800 bytes, at least 2 are needed"
                        + " (one is the null block): raise --kv-memory",
                refusal.getMessage());
    }
}
