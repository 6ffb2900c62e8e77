package dev.lockstep.model;

import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.WeightSlice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Turns a stored matrix of whole-byte values.
final class Transposed {
    private Transposed() {}

    static WeightSlice of(WeightSlice matrix) {
        if (matrix.type().isQuantized()) {
            throw new CheckpointException(
                    "tensor %s has type %s and would have to be transposed; only plain types can"
                            .formatted(matrix.name(), matrix.type()));
        }
        int width = matrix.type().bytesPerBlock();
        int rows = matrix.rows();
        int columns = matrix.columns();
        MemorySegment from = matrix.data();
        MemorySegment turned = Arena.ofAuto().allocate((long) rows * columns * width, 64);
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column++) {
                MemorySegment.copy(
                        from,
                        ((long) row * columns + column) * width,
                        turned,
                        ((long) column * rows + row) * width,
                        width);
            }
        }
        return WeightSlice.whole(matrix.name(), matrix.type(), columns, rows, turned);
    }
}
