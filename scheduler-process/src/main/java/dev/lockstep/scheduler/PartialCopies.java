// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.ArrayList;
import java.util.List;

/// Copies of the beginnings of blocks, made before the rows of the step being planned. Where a
/// match ends inside a block, the part that agrees is copied into a new block of the sequence,
/// because the sequence will write there.
final class PartialCopies {
    private final KvPools pools;
    private final List<StepPlan.BlockCopy> copies = new ArrayList<>();

    PartialCopies(KvPools pools) {
        this.pools = pools;
    }

    /// Appends to each table of a sequence a block with a copy of what the match found.
    void add(Sequence sequence, PrefixMatch match) {
        // Retained until the plan is made, so that no other copy is made to the source first.
        for (int group = 0; group < pools.groupCount(); group++) {
            pools.pool(pools.poolOf(group)).retain(match.partialSource(group));
        }
        for (int group = 0; group < pools.groupCount(); group++) {
            int block = pools.allocate(group);
            sequence.blocks().table(group).append(block);
            copies.add(
                    new StepPlan.BlockCopy(
                            group, match.partialSource(group), block, match.partialTokens()));
        }
    }

    /// Moves the copies into a plan that is made, and releases their sources.
    void moveTo(StepPlan plan) {
        plan.copies().addAll(copies);
        for (StepPlan.BlockCopy copy : copies) {
            pools.pool(pools.poolOf(copy.kvGroup())).release(copy.from());
        }
        copies.clear();
    }
}
