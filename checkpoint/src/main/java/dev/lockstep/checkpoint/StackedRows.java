// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/// Copies the rows of matrices of one shape, one below the other.
record StackedRows(List<WeightMatrix> parts) implements WeightDecoder {

    /// Returns the matrix of all rows.
    ///
    /// @param parts matrices of one shape and one plain type
    static WeightMatrix of(String name, List<WeightMatrix> parts) {
        WeightMatrix first = parts.getFirst();
        for (WeightMatrix each : parts) {
            if (each.type() != first.type()
                    || each.rows() != first.rows()
                    || each.columns() != first.columns()) {
                throw new CheckpointException(
                        "tensor %s is %d x %d of %s; %s is %d x %d of %s"
                                .formatted(
                                        each.name(),
                                        each.rows(),
                                        each.columns(),
                                        each.type(),
                                        first.name(),
                                        first.rows(),
                                        first.columns(),
                                        first.type()));
            }
        }
        return new WeightMatrix(
                name,
                first.type(),
                Math.multiplyExact(parts.size(), first.rows()),
                first.columns(),
                new RowOrder.AsIs(),
                first.data(),
                Optional.of(new StackedRows(List.copyOf(parts))));
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        int rows = parts.getFirst().rows();
        WeightMatrix part = parts.get(row / rows);
        int stored = part.storedRow(row % rows);
        if (part.decoder().isPresent()) {
            part.decoder().get().decode(stored, from, to, target, offset);
            return;
        }
        long width = part.type().blockBytes();
        long first = ((long) stored * part.columns() + from) * width;
        MemorySegment.copy(part.data(), first, target, offset, (to - from) * width);
    }
}
