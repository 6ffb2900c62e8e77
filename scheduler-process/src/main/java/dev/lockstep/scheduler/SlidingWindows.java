package dev.lockstep.scheduler;

/// Gives back the blocks that a window has left behind: no later query reads them.
final class SlidingWindows {
    private final KvPools pools;
    private final DeferredFrees deferredFrees;

    SlidingWindows(KvPools pools, DeferredFrees deferredFrees) {
        this.pools = pools;
        this.deferredFrees = deferredFrees;
    }

    /// A row of the sequence is in the plan: its windows end where that row ends.
    void slide(Sequence sequence) {
        if (!pools.windows()) {
            return;
        }
        for (int group = 0; group < pools.groupCount(); group++) {
            if (!pools.isFull(group)) {
                slide(sequence, group);
            }
        }
    }

    private void slide(Sequence sequence, int group) {
        int first = Math.max(0, sequence.computed() - pools.group(group).window() + 1);
        var table = sequence.blocks().table(group);
        int behind = Math.min(first / pools.blockSize(), table.size()) - table.dropped();
        if (behind > 0) {
            var left = new int[behind];
            for (int i = 0; i < behind; i++) {
                left[i] = table.drop();
            }
            deferredFrees.add(sequence, group, left);
        }
    }
}
