// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// The load of a scheduler: a snapshot for routers and users.
///
/// @param waitingTokens ids of all waiting sequences, outputs included
/// @param freeBlocks blocks that no sequence holds
/// @param cachedBlocks free blocks that a prefix can still find
public record Load(
        int running,
        int waiting,
        long waitingTokens,
        long blocks,
        long freeBlocks,
        long cachedBlocks,
        Totals totals) {
    public static final Load NONE = new Load(0, 0, 0, 0, 0, 0, Totals.NONE);

    /// Returns a load that also counts `sequences` that wait for the next group.
    public Load withParked(int sequences) {
        return new Load(
                running,
                waiting + sequences,
                waitingTokens,
                blocks,
                freeBlocks,
                cachedBlocks,
                totals);
    }

    public Load withTotals(Totals all) {
        return new Load(running, waiting, waitingTokens, blocks, freeBlocks, cachedBlocks, all);
    }

    /// Counters that only increase, over all groups of a process.
    ///
    /// @param recomputedTokens computed again after a preemption or in another group
    /// @param refusedByEstimate the part of `refused` whose first token would have come too late
    public record Totals(
            long preemptions,
            long steps,
            long mixedSteps,
            long promptTokens,
            long cachedTokens,
            long recomputedTokens,
            long generatedTokens,
            long expired,
            long refused,
            long refusedByEstimate) {
        public static final Totals NONE = new Totals(0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

        public Totals plusRefused(long more) {
            return new Totals(
                    preemptions,
                    steps,
                    mixedSteps,
                    promptTokens,
                    cachedTokens,
                    recomputedTokens,
                    generatedTokens,
                    expired,
                    refused + more,
                    refusedByEstimate);
        }

        public Totals plus(Totals more) {
            return new Totals(
                    preemptions + more.preemptions,
                    steps + more.steps,
                    mixedSteps + more.mixedSteps,
                    promptTokens + more.promptTokens,
                    cachedTokens + more.cachedTokens,
                    recomputedTokens + more.recomputedTokens,
                    generatedTokens + more.generatedTokens,
                    expired + more.expired,
                    refused + more.refused,
                    refusedByEstimate + more.refusedByEstimate);
        }
    }
}
