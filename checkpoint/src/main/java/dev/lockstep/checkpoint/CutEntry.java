// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// A tensor of a file of a cut folder, as it is written.
///
/// @param name in the file, see [HeldTensors]
/// @param part what it is of the whole tensor; empty for all of it as the source stores it
record CutEntry(
        String name,
        String dtype,
        List<Long> shape,
        long bytes,
        Content content,
        Optional<Part> part) {
    private static final int AT_ONCE = 1 << 24;

    /// Rows and columns of a matrix.
    record Part(TensorType type, NumberRanges rows, NumberRanges columns) {}

    sealed interface Content {}

    private record Stored(MemorySegment data) implements Content {}

    private record Rows(WeightMatrix matrix, Part part) implements Content {}

    static CutEntry stored(String name, StoredTensor tensor) {
        return new CutEntry(
                name,
                tensor.typeName(),
                tensor.shape(),
                tensor.data().byteSize(),
                new Stored(tensor.data()),
                Optional.empty());
    }

    static CutEntry order(String name, int[] order) {
        MemorySegment data = MemorySegment.ofArray(new byte[Math.multiplyExact(4, order.length)]);
        for (int i = 0; i < order.length; i++) {
            data.set(ValueLayout.JAVA_INT_UNALIGNED, 4L * i, order[i]);
        }
        return new CutEntry(
                name,
                "I32",
                List.of((long) order.length),
                data.byteSize(),
                new Stored(data),
                Optional.empty());
    }

    /// Creates the entry of rows and columns: plain values, or blocks as bytes.
    static CutEntry rows(String name, WeightMatrix matrix, Part part) {
        TensorType type = part.type();
        long rowBytes = type.rowBytes(part.columns().size());
        long rows = part.rows().size();
        return new CutEntry(
                name,
                type.isQuantized() ? "U8" : type.name(),
                List.of(rows, type.isQuantized() ? rowBytes : part.columns().size()),
                rows * rowBytes,
                new Rows(matrix, part),
                Optional.of(part));
    }

    void write(PartialFile file, int piece) {
        switch (content) {
            case Stored stored -> file.write(piece, 0, stored.data());
            case Rows rows -> write(rows, file, piece);
        }
    }

    private void write(Rows rows, PartialFile file, int piece) {
        long rowBytes = rows.part.type().rowBytes(rows.part.columns().size());
        int atOnce = (int) Math.max(1, AT_ONCE / rowBytes);
        int[] numbers =
                rows.part.rows().ranges().stream()
                        .flatMapToInt(each -> IntStream.range(each.from(), each.to()))
                        .toArray();
        for (int from = 0; from < numbers.length; from += atOnce) {
            int first = from;
            int count = Math.min(atOnce, numbers.length - from);
            try (Arena arena = Arena.ofShared()) {
                MemorySegment chunk = arena.allocate(count * rowBytes, 64);
                IntStream.range(0, count)
                        .parallel()
                        .forEach(i -> read(rows, numbers[first + i], chunk, i * rowBytes));
                file.write(piece, from * rowBytes, chunk);
            }
        }
    }

    private static void read(Rows rows, int row, MemorySegment target, long offset) {
        WeightMatrix matrix = rows.matrix;
        TensorType type = rows.part.type();
        long at = offset;
        for (NumberRanges.Range each : rows.part.columns().ranges()) {
            long bytes = type.rowBytes(each.size());
            if (matrix.decoder().isPresent()) {
                matrix.decoder().get().decode(row, each.from(), each.to(), target, at);
            } else {
                long first = row * type.rowBytes(matrix.columns()) + type.rowBytes(each.from());
                MemorySegment.copy(matrix.data(), first, target, at, bytes);
            }
            at += bytes;
        }
    }
}
