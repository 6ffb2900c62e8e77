// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// Copies the columns of a matrix of plain values, as the rows of the transposed one.
public record TransposedRows(WeightMatrix stored) implements WeightDecoder {
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        MemorySegment data = stored.data();
        Optional<HeldPart> held = stored.held();
        long columns = held.map(each -> each.columns().size()).orElse(stored.columns());
        int column = held.map(each -> each.column(stored.name(), row)).orElse(row);
        long width = stored.type().blockBytes();
        for (int i = from; i < to; i++) {
            int storedRow = stored.storedRow(i);
            long own = held.isEmpty() ? storedRow : held.get().row(stored.name(), storedRow);
            long source = (own * columns + column) * width;
            long at = offset + (i - from) * width;
            if (width == Short.BYTES) {
                target.set(SHORT, at, data.get(SHORT, source));
            } else {
                target.set(INT, at, data.get(INT, source));
            }
        }
    }
}
