// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/// Reads rows of stored matrices of any type as floats.
///
/// @param kernels whose activations are F32
public record StoredRows(Kernels kernels) {

    /// Returns some rows, by their numbers in the file, one after the other.
    public float[] read(WeightMatrix matrix, int[] stored) {
        int count = stored.length;
        try (Arena arena = Arena.ofConfined();
                Arena decoded = Arena.ofShared();
                DeviceBuffer buffer =
                        kernels.allocate((matrix.columns() + 1L) * count * Float.BYTES)) {
            Tensor out = buffer.tensor(0, DType.F32, count, matrix.columns());
            Tensor ids = buffer.tensor(out.bytes(), DType.I32, 1, count);
            int[] all = IntStream.range(0, count).toArray();
            kernels.copyToDevice(arena.allocateFrom(ValueLayout.JAVA_INT, all), ids);
            var columns = new Span(0, matrix.columns());
            WeightRows rows =
                    RowSource.of(matrix.exact().inColumnOrder(), stored, columns, decoded);
            kernels.embed(kernels.prepareEmbedding(rows), ids, out);
            MemorySegment host = arena.allocate(out.bytes(), Float.BYTES);
            kernels.copyToHost(out, host);
            return host.toArray(ValueLayout.JAVA_FLOAT);
        }
    }
}
