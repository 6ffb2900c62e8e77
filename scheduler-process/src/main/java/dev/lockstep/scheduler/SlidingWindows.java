// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

/// Frees the blocks that a window has passed: no later query reads them.
final class SlidingWindows {
    private final KvPools pools;
    private final DeferredFrees deferredFrees;

    SlidingWindows(KvPools pools, DeferredFrees deferredFrees) {
        this.pools = pools;
        this.deferredFrees = deferredFrees;
    }

    /// Frees blocks of a sequence whose row is in the plan: its windows end where that row ends.
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
        BlockTable table = sequence.blocks().table(group);
        int count = Math.min(first / pools.blockSize(), table.size()) - table.dropped();
        if (count > 0) {
            int[] passed = new int[count];
            for (int i = 0; i < count; i++) {
                passed[i] = table.drop();
            }
            deferredFrees.add(sequence, group, passed);
        }
    }
}
