// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The blocks of a step's rows in one KV group, written row by row.
sealed interface RowBlocks {

    int count(BatchBuilder.Placed placed);

    /// Writes all blocks of the next row to the beginning of `table`.
    void write(BatchBuilder.Placed placed, MemorySegment table);

    /// The blocks in the tables of the rows' slots.
    record OfSlots(SlotTable slots, int group) implements RowBlocks {
        @Override
        public int count(BatchBuilder.Placed placed) {
            return slot(placed).blockCount(group);
        }

        @Override
        public void write(BatchBuilder.Placed placed, MemorySegment table) {
            Slot slot = slot(placed);
            MemorySegment.copy(
                    slot.blocks(group), 0, table, ValueLayout.JAVA_INT, 0, slot.blockCount(group));
        }

        private Slot slot(BatchBuilder.Placed placed) {
            return slots.at(placed.row().slot());
        }
    }

    /// The blocks of rows without KV: those of [dev.lockstep.model.ActivationBuffers#stepKv],
    /// numbered from 1 on.
    final class OfStep implements RowBlocks {
        private final int blockSize;
        private int next = 1;

        OfStep(int blockSize) {
            this.blockSize = blockSize;
        }

        @Override
        public int count(BatchBuilder.Placed placed) {
            return Math.ceilDiv(placed.row().count(), blockSize);
        }

        @Override
        public void write(BatchBuilder.Placed placed, MemorySegment table) {
            int count = count(placed);
            for (int i = 0; i < count; i++) {
                table.setAtIndex(ValueLayout.JAVA_INT, i, next++);
            }
        }
    }
}
