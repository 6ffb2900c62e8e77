package dev.lockstep.scheduler;

/// How busy a scheduler is: a snapshot for people and routers.
public record Load(
        int running,
        int waiting,
        long waitingTokens,
        long blocks,
        long freeBlocks,
        long cachedBlocks,
        Totals totals) {
    public static final Load NONE = new Load(0, 0, 0, 0, 0, 0, Totals.NONE);

    long preemptions() {
        return totals.preemptions();
    }

    /// With sequences that wait for the next group.
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
}
