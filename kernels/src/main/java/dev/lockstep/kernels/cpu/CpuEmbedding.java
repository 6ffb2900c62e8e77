package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.WeightRows;
import dev.lockstep.kernels.WeightType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The mapped checkpoint itself, and which of its rows is which id's.
///
/// @param sourceRows ints
/// @param columnBytes where in a stored row the block of the first wanted column begins
/// @param skipped columns of that block that come before
record CpuEmbedding(
        MemorySegment data,
        WeightType type,
        MemorySegment sourceRows,
        int rows,
        int columns,
        long rowBytes,
        long columnBytes,
        int skipped)
        implements EmbeddingTable {

    /// A table on the heap is copied: only memory outside has an address.
    static CpuEmbedding of(WeightRows table) {
        Arena arena = Arena.ofAuto();
        return new CpuEmbedding(
                outsideTheHeap(table.data(), arena),
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

    private static MemorySegment outsideTheHeap(MemorySegment data, Arena arena) {
        return data.isNative() ? data : arena.allocate(data.byteSize(), 64).copyFrom(data);
    }
}
