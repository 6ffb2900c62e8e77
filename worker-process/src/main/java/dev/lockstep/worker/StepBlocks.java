// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.BlockCopy;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedKv;
import java.util.ArrayList;
import java.util.List;

/// The KV blocks that steps write, and the names that blocks lose and get with it.
///
/// Belongs to the step thread.
final class StepBlocks {
    private final Kernels kernels;
    private final List<PagedKv> kv;
    private final HeldBlocks held;
    private final int blockSize;

    StepBlocks(Kernels kernels, List<PagedKv> kv, HeldBlocks held, int blockSize) {
        this.kernels = kernels;
        this.kv = List.copyOf(kv);
        this.held = held;
        this.blockSize = blockSize;
    }

    /// Copies blocks; the targets lose their names.
    void copy(List<Step.Copy> copies) {
        for (Step.Copy copy : copies) {
            if (copy.kvGroup() < 0 || copy.kvGroup() >= kv.size()) {
                throw new IllegalArgumentException(
                        "a copy in KV group %d of %d".formatted(copy.kvGroup(), kv.size()));
            }
            held.written(copy.kvGroup(), copy.to());
        }
        for (int group = 0; group < kv.size(); group++) {
            int kvGroup = group;
            List<BlockCopy> blocks =
                    copies.stream()
                            .filter(copy -> copy.kvGroup() == kvGroup)
                            .map(copy -> new BlockCopy(copy.from(), copy.to(), copy.tokens()))
                            .toList();
            if (!blocks.isEmpty()) {
                kernels.copyBlocks(kv.get(group), blocks);
            }
        }
    }

    /// Removes the names of the blocks that a row writes. Throws if one that it adds to a table
    /// does not exist.
    void written(Step.Row row, Slot slot) {
        for (int group = 0; group < kv.size(); group++) {
            held.requireExisting(group, row.newBlocks().get(group));
        }
        removeNames(row, slot);
    }

    private void removeNames(Step.Row row, Slot slot) {
        int end = row.computed() + row.count();
        for (int group = 0; group < kv.size(); group++) {
            int[] table = slot.blocks(group);
            for (int i = row.computed() / blockSize; i * blockSize < end; i++) {
                held.written(group, table[i]);
            }
        }
    }

    /// Returns the blocks that the rows fill. They get their names when the step has completed: a
    /// step that fails before names none, so that no later epoch takes a block with old values for
    /// a computed one.
    List<HeldBlocks.Filled> filled(List<Step.Row> rows, SlotTable slots) {
        List<HeldBlocks.Filled> filled = new ArrayList<>();
        for (Step.Row row : rows) {
            Slot slot = slots.at(row.slot());
            for (int group = 0; group < kv.size(); group++) {
                int[] table = slot.blocks(group);
                for (int i = 0; i < row.names().size(); i++) {
                    filled.add(held.filled(group, table[slot.named() + i], row.names().get(i)));
                }
            }
            slot.named(slot.named() + row.names().size());
        }
        return filled;
    }

    /// Names the blocks of a step that has completed.
    void named(List<HeldBlocks.Filled> filled) {
        filled.forEach(held::named);
    }
}
