// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.PackedWeight;
import java.util.List;
import java.util.Optional;

/// Packed segments in row order; the kernels that packed them own the memory.
///
/// @param owner the implementation that defines the layout
record CpuWeight(MatmulOps owner, int rows, int columns, List<Segment> segments)
        implements PackedWeight {

    /// A segment: consecutive rows of one format.
    ///
    /// @param address the address of the first tile
    /// @param skipped columns of the first stored block that precede the first column
    /// @param rowFrom the first output this segment computes
    /// @param tileFrom the number of tiles of the preceding segments
    /// @param columnOrder the input of each column, where they are in another order; segments of
    ///   one order have one array
    record Segment(
            WeightFormat format,
            long address,
            int skipped,
            int rowFrom,
            int rows,
            int tileFrom,
            Optional<int[]> columnOrder) {

        /// Returns whether both multiply the inputs in one order.
        boolean hasInputsOf(Segment other) {
            return columnOrder.equals(other.columnOrder);
        }

        int tiles() {
            return (rows + MatmulOps.TILE_ROWS - 1) / MatmulOps.TILE_ROWS;
        }

        int tileTo() {
            return tileFrom + tiles();
        }
    }

    int tiles() {
        return segments.isEmpty() ? 0 : segments.getLast().tileTo();
    }

    @Override
    public long bytes() {
        long bytes = 0;
        for (Segment segment : segments) {
            bytes +=
                    segment.tiles() * owner.tileBytes(segment.format(), columns, segment.skipped());
        }
        return bytes;
    }
}
