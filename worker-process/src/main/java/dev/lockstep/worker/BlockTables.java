// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;

/// The block tables on the device: for each KV group one with a line for each slot, and a last one
/// for rows without KV.
///
/// A line keeps its entries from step to step and gets only new ones. Those after the last block of
/// its sequence are of an earlier sequence; nothing reads them. A sequence that is admitted to the
/// slot writes its line from the beginning.
///
/// Belongs to the step thread. The batch builder that creates it closes it.
final class BlockTables implements AutoCloseable {
    private final Kernels kernels;
    private final int kvGroups;
    private final int lines;
    private final DeviceBuffer memory;
    private final Tensor all;

    BlockTables(Kernels kernels, int kvGroups, SessionLimits limits) {
        this.kernels = kernels;
        this.kvGroups = kvGroups;
        this.lines = limits.maxSequences();
        int rows = Math.multiplyExact(kvGroups + 1, lines);
        int columns = Math.ceilDiv(limits.maxPositions(), limits.blockSize());
        // An entry's index is an I32.
        int entries = Math.multiplyExact(rows, columns);
        memory = kernels.allocate((long) entries * Integer.BYTES);
        all = memory.tensor(0, DType.I32, rows, columns);
    }

    Tensor ofGroup(int kvGroup) {
        return all.rows(kvGroup * lines, (kvGroup + 1) * lines);
    }

    Tensor withoutKv() {
        return ofGroup(kvGroups);
    }

    /// Returns the index of an entry among all. Throws if the sequence would have more blocks than
    /// its positions need.
    int entry(int kvGroup, int slot, int block) {
        if (block >= all.columns()) {
            throw new IllegalArgumentException(
                    "slot %d: %d blocks in KV group %d, a sequence has at most %d"
                            .formatted(slot, block + 1, kvGroup, all.columns()));
        }
        return (kvGroup * lines + slot) * all.columns() + block;
    }

    /// Returns the index of an entry of a slot's row without KV.
    int entryWithoutKv(int slot, int block) {
        return entry(kvGroups, slot, block);
    }

    /// Writes entries; the index -1 writes none.
    void write(Tensor entries, Tensor blocks) {
        kernels.scatter(entries, blocks, all);
    }

    @Override
    public void close() {
        memory.close();
    }
}
