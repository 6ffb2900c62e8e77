// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.InstructionSet;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.stream.IntStream;

/// The values of stored matrices, columns in the order of the inputs.
final class QuantizedValues {
    private QuantizedValues() {}

    /// Returns all values of a matrix, rows in the order of Hugging Face.
    static double[][] of(WeightMatrix matrix) {
        byte[] bytes = bytes(matrix, InstructionSet.best());
        ByteBuffer values = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        double[][] all = new double[matrix.rows()][matrix.columns()];
        for (double[] row : all) {
            for (int c = 0; c < row.length; c++) {
                row[c] =
                        switch (matrix.type()) {
                            case F16 -> Float.float16ToFloat(values.getShort());
                            case BF16 -> Float.intBitsToFloat(values.getShort() << 16);
                            default -> values.getFloat();
                        };
            }
        }
        return all;
    }

    /// Returns the same as bytes: of the matrix's type where that is plain, else F32.
    static byte[] bytes(WeightMatrix matrix, InstructionSet set) {
        int[] rows = IntStream.range(0, matrix.rows()).map(matrix::storedRow).toArray();
        try (Arena arena = Arena.ofShared();
                CpuKernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).with(set))) {
            WeightRows table = table(matrix, rows, arena);
            if (!matrix.type().isQuantized()) {
                return plain(table);
            }
            byte[] floats = floats(kernels, kernels.prepareEmbedding(table), arena);
            return matrix.columnOrder()
                    .map(order -> inOrder(floats, order, matrix.rows()))
                    .orElse(floats);
        }
    }

    /// Returns the rows with their columns as they are stored.
    private static WeightRows table(WeightMatrix matrix, int[] rows, Arena arena) {
        WeightRows source = RowSource.of(matrix, rows, new Span(0, matrix.columns()), arena);
        return new WeightRows(
                source.name(),
                source.data(),
                source.type(),
                source.sourceColumns(),
                source.rows(),
                source.columnFrom(),
                source.columnTo());
    }

    private static byte[] plain(WeightRows table) {
        int rowBytes = (int) table.type().rowBytes(table.columns());
        byte[] bytes = new byte[table.rows().length * rowBytes];
        for (int i = 0; i < table.rows().length; i++) {
            MemorySegment.copy(
                    table.data(),
                    ValueLayout.JAVA_BYTE,
                    (long) table.rows()[i] * rowBytes,
                    bytes,
                    i * rowBytes,
                    rowBytes);
        }
        return bytes;
    }

    /// Returns the floats with column i of each row where the order says.
    private static byte[] inOrder(byte[] floats, int[] order, int rows) {
        ByteBuffer from = ByteBuffer.wrap(floats).order(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer to = ByteBuffer.allocate(floats.length).order(ByteOrder.LITTLE_ENDIAN);
        for (int row = 0; row < rows; row++) {
            for (int i = 0; i < order.length; i++) {
                to.putFloat(Float.BYTES * (row * order.length + order[i]), from.getFloat());
            }
        }
        return to.array();
    }

    private static byte[] floats(CpuKernels kernels, EmbeddingTable table, Arena arena) {
        int rows = table.rows();
        int columns = table.columns();
        MemorySegment ids = arena.allocate(4L * rows, 64);
        for (int i = 0; i < rows; i++) {
            ids.setAtIndex(ValueLayout.JAVA_INT, i, i);
        }
        MemorySegment out = arena.allocate(4L * rows * columns, 64);
        kernels.embed(
                table,
                new Tensor(new DevicePointer(ids.address()), DType.I32, 1, rows, rows),
                new Tensor(new DevicePointer(out.address()), DType.F32, rows, columns, columns));
        return out.toArray(ValueLayout.JAVA_BYTE);
    }
}
