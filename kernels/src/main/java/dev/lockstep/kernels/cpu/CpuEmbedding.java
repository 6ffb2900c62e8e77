// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// An embedding table in the mapped checkpoint, with the stored row of each id.
///
/// @param sourceRows ints: the stored row of each id
/// @param columnBytes offset in a stored row of the block that holds the first column
/// @param skipped columns of that block that precede the first one
record CpuEmbedding(
        MemorySegment data,
        TensorType type,
        MemorySegment sourceRows,
        int rows,
        int columns,
        long rowBytes,
        long columnBytes,
        int skipped)
        implements EmbeddingTable {

    /// Creates a table; data on the heap is copied, since only native memory has an address.
    static CpuEmbedding of(WeightRows table) {
        if (table.columnOrder().isPresent()) {
            throw new IllegalArgumentException(
                    "%s: a table has its columns in their order".formatted(table.name()));
        }
        Arena arena = Arena.ofAuto();
        return new CpuEmbedding(
                toNative(table.data(), arena),
                table.type(),
                arena.allocateFrom(ValueLayout.JAVA_INT, table.rows()),
                table.rows().length,
                table.columns(),
                table.type().rowBytes(table.sourceColumns()),
                table.firstBlockBytes(),
                table.skippedColumns());
    }

    @Override
    public long bytes() {
        return sourceRows.byteSize();
    }

    @Override
    public boolean readsSource() {
        return true;
    }

    private static MemorySegment toNative(MemorySegment data, Arena arena) {
        return data.isNative() ? data : arena.allocate(data.byteSize(), 64).copyFrom(data);
    }
}
