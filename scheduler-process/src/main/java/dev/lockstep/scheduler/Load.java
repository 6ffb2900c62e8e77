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
    public record Totals(
            long preemptions,
            long steps,
            long mixedSteps,
            long promptTokens,
            long cachedTokens,
            long generatedTokens,
            long expired,
            long refused) {
        public static final Totals NONE = new Totals(0, 0, 0, 0, 0, 0, 0, 0);

        public Totals plusRefused(long more) {
            return new Totals(
                    preemptions,
                    steps,
                    mixedSteps,
                    promptTokens,
                    cachedTokens,
                    generatedTokens,
                    expired,
                    refused + more);
        }

        public Totals plus(Totals more) {
            return new Totals(
                    preemptions + more.preemptions,
                    steps + more.steps,
                    mixedSteps + more.mixedSteps,
                    promptTokens + more.promptTokens,
                    cachedTokens + more.cachedTokens,
                    generatedTokens + more.generatedTokens,
                    expired + more.expired,
                    refused + more.refused);
        }
    }
}
