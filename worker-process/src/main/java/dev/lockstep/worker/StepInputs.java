// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The index arrays of a step, I32. On the device they are the rows of a matrix, so that an array
/// has the same address in every step of a kind.
///
/// There are two matrices. The narrow one, of small steps and of all recorded ones, is copied as it
/// is, in one piece. The wide one of the other steps would be too large for that: each of its
/// arrays is copied for itself, as far as it has values.
///
/// Not thread-safe; belongs to the step thread. The batch builder that creates it closes it.
final class StepInputs implements AutoCloseable {
    private static final int ALIGNMENT = 64;

    private final Kernels kernels;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment host;
    private final DeviceBuffer memory;
    private final Tensor narrow;
    private final Tensor wide;
    private Tensor device;
    private int columns;
    private int used;

    /// The arrays by their rows of the matrix, those first that every step has.
    enum Array {
        IDS(0),
        POSITIONS(1),
        STARTS(2),
        COMPUTED(3),
        LINES(4),
        LOGIT_ROWS(5),
        LOGIT_SLOTS(6),
        /// Indices into the block tables, and the new values of these entries.
        ENTRIES(7),
        BLOCKS(8),
        /// Of rows without KV.
        STARTS_WITHOUT_KV(9),
        COMPUTED_WITHOUT_KV(10),
        LINES_WITHOUT_KV(11),
        /// Of encoders that read two texts together.
        TOKEN_TYPES(12),
        SCORED_ROWS(13),
        SCORED_TARGETS(14);

        private final int row;

        Array(int row) {
            this.row = row;
        }
    }

    private static final int ARRAYS = Array.values().length;

    /// @param smallColumns the most values of an array of a small step
    /// @param maxColumns the most values of an array
    StepInputs(Kernels kernels, int smallColumns, int maxColumns) {
        this.kernels = kernels;
        int small = aligned(smallColumns);
        int large = Math.max(small, aligned(maxColumns));
        long smallBytes = (long) ARRAYS * small * Integer.BYTES;
        long bytes = (long) ARRAYS * large * Integer.BYTES;
        host = arena.allocate(bytes, ALIGNMENT);
        memory = kernels.allocate(smallBytes + bytes);
        narrow = memory.tensor(0, DType.I32, ARRAYS, small);
        wide = memory.tensor(smallBytes, DType.I32, ARRAYS, large);
        device = narrow;
    }

    private static int aligned(int columns) {
        int values = ALIGNMENT / Integer.BYTES;
        return Math.ceilDiv(columns, values) * values;
    }

    int maxColumns() {
        return wide.columns();
    }

    /// Returns the columns that this step copies, those of the narrow matrix or what it began with.
    int columns() {
        return columns;
    }

    /// Begins a step whose arrays have at most so many values.
    void begin(int columns) {
        if (columns > maxColumns()) {
            throw new IllegalArgumentException(
                    "%d values for an array of %d".formatted(columns, maxColumns()));
        }
        device = columns <= narrow.columns() ? narrow : wide;
        this.columns = Math.max(columns, narrow.columns());
        used = 0;
    }

    void put(Array array, int index, int value) {
        if (index >= columns) {
            throw new IndexOutOfBoundsException(
                    "%s has %d values, not %d".formatted(array, columns, index + 1));
        }
        used = Math.max(used, array.row + 1);
        host.setAtIndex(ValueLayout.JAVA_INT, (long) array.row * columns + index, value);
    }

    /// Returns the first values of an array on the device.
    Tensor array(Array array, int count) {
        return device.rows(array.row, array.row + 1).columns(0, count);
    }

    /// Copies the arrays up to the last one that has values.
    void copy() {
        copy(0, used);
    }

    /// Copies one array and the next one, before the rest is complete.
    void copyPair(Array first) {
        copy(first.row, first.row + 2);
    }

    private void copy(int from, int to) {
        long rowBytes = (long) columns * Integer.BYTES;
        kernels.copyToDevice(
                host.asSlice(from * rowBytes, (to - from) * rowBytes),
                device.rows(from, to).columns(0, columns));
    }

    @Override
    public void close() {
        try (arena) {
            memory.close();
        }
    }
}
