// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.MemorySegment;
import java.util.Optional;

/// A part of a matrix that another folder keeps in another form, as that folder's decoder gives it.
///
/// @param type of the elements; the part's columns are whole blocks of it
/// @param order see [WeightDecoder#columnOrder]
/// @param plain the matrix in a plain type, where a rank needs both
record HeldRows(
        String name,
        TensorType type,
        HeldPart part,
        MemorySegment data,
        Optional<int[]> order,
        Optional<Plain> plain)
        implements WeightDecoder {

    HeldRows {
        long bytes = part.rows().size() * type.rowBytes(part.columns().size());
        if (data.byteSize() != bytes) {
            throw new CheckpointException(
                    "tensor %s has %d bytes, its %d rows of %d columns of %s have %d"
                            .formatted(
                                    name,
                                    data.byteSize(),
                                    part.rows().size(),
                                    part.columns().size(),
                                    type,
                                    bytes));
        }
    }

    @Override
    public void decode(int row, int from, int to, MemorySegment target, long offset) {
        long rowBytes = type.rowBytes(part.columns().size());
        long first = type.rowBytes(part.firstColumn(name, from, to));
        MemorySegment.copy(
                data,
                part.row(name, row) * rowBytes + first,
                target,
                offset,
                type.rowBytes(to - from));
    }

    @Override
    public Optional<Plain> inPlainType() {
        return plain;
    }

    @Override
    public Optional<int[]> columnOrder() {
        return order;
    }
}
