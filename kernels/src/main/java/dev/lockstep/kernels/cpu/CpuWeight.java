package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.PackedWeight;
import java.util.List;

/// Packed segments, one below the other; the kernels that packed it own its memory.
///
/// @param owner whose layout this is
record CpuWeight(MatmulOps owner, int rows, int columns, List<Segment> segments)
        implements PackedWeight {

    /// Rows of one format.
    ///
    /// @param address of the first tile
    /// @param skipped columns of the first stored block that come before the first
    /// @param rowFrom the first output this segment computes
    /// @param tileFrom tiles of the segments before
    record Segment(
            WeightFormat format, long address, int skipped, int rowFrom, int rows, int tileFrom) {

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
