// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static dev.lockstep.kernels.cuda.KernelStruct.named;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/// Weights, tables and vectors on their way to the device, where they live as long as the kernels.
/// Stored rows get there in pieces; weights are decoded there to the compute type.
final class CudaLoading implements AutoCloseable {
    static final KernelDeclaration DECODE_ROWS =
            KernelDeclaration.of(
                    "decode_rows",
                    named("DecodeRowsParams")
                            .pointer("stored")
                            .i64("row_bytes")
                            .pointer("source_rows")
                            .i32("type")
                            .i32("skipped")
                            .view("out"));

    private final CudaContext context;
    private final DType type;
    private final CudaOp decode;
    private final CudaScratch stored;

    CudaLoading(CudaContext context) {
        this.context = context;
        type = context.activationType();
        decode = context.programs().op(DECODE_ROWS, "-DOUT=" + type);
        stored = new CudaScratch(context.memory());
    }

    long packedBytes(DType compute, int rows, int columns) {
        requireCompute(compute);
        return (long) rows * CudaWeight.stride(columns, compute) * compute.bytes();
    }

    /// Concatenates the rows of segments of equal columns.
    PackedWeight weight(List<WeightRows> segments, DType compute) {
        requireCompute(compute);
        context.guard().refuse("a preparation");
        int rows = 0;
        int columns = segments.getFirst().columns();
        for (WeightRows segment : segments) {
            if (segment.columns() != columns) {
                throw new IllegalArgumentException(
                        "%s has %d columns, the first segment %d"
                                .formatted(segment.name(), segment.columns(), columns));
            }
            requireInOrder(segment);
            rows = Math.addExact(rows, segment.rows().length);
        }
        int stride = CudaWeight.stride(columns, type);
        DevicePointer pointer = context.memory().reserve((long) rows * stride * type.bytes());
        var weight = new CudaWeight(context, pointer, type, rows, columns, stride);
        if (weight.bytes() > 0) {
            int row = 0;
            for (WeightRows segment : segments) {
                decode(segment, new Tensor(pointer, type, rows, columns, stride), row);
                row += segment.rows().length;
            }
        }
        return weight;
    }

    private static void requireInOrder(WeightRows rows) {
        if (rows.columnOrder().isPresent()) {
            throw new IllegalArgumentException(
                    "%s: its columns are in another order than the inputs, which is multiplied on a CPU only"
                            .formatted(rows.name()));
        }
    }

    private void requireCompute(DType compute) {
        if (compute != type) {
            throw new IllegalArgumentException(
                    "compute is %s, these kernels compute in %s".formatted(compute, type));
        }
    }

    private void decode(WeightRows segment, Tensor weight, int firstRow) {
        var slices = new StoredSlices(segment);
        int rows = segment.rows().length;
        int step = slices.rowsIn(CudaStaging.SLOT_BYTES);
        DevicePointer from = stored.atLeast(Math.min(step, rows) * slices.bytes());
        for (int row = 0; row < rows; row += step) {
            int count = Math.min(step, rows - row);
            upload(slices, row, count, from);
            Tensor out = weight.rows(firstRow + row, firstRow + row + count);
            decode.begin()
                    .pointer(from)
                    .i64(slices.bytes())
                    .nullPointer()
                    .i32(KernelNumbers.of(segment.type()))
                    .i32(segment.skippedColumns())
                    .view(out)
                    .launchTiles(count, out.columns());
        }
    }

    /// Copies rows of slices, one after the other.
    private void upload(StoredSlices slices, int row, int count, DevicePointer to) {
        if (slices.bytes() > CudaStaging.SLOT_BYTES) {
            for (int i = 0; i < count; i++) {
                context.staging().copy(slices.of(row + i), to.plus(i * slices.bytes()));
            }
            return;
        }
        MemorySegment claimed = context.staging().claim(count * slices.bytes());
        slices.copy(row, count, claimed);
        context.staging().enqueue(claimed, to);
    }

    /// Keeps the rows of a table as they are stored.
    EmbeddingTable embedding(WeightRows table) {
        context.guard().refuse("a preparation");
        var slices = new StoredSlices(table);
        int rows = table.rows().length;
        DevicePointer pointer = context.memory().reserve(rows * slices.bytes());
        int step = slices.rowsIn(CudaStaging.SLOT_BYTES);
        for (int row = 0; row < rows && slices.bytes() > 0; row += step) {
            int count = Math.min(step, rows - row);
            upload(slices, row, count, pointer.plus(row * slices.bytes()));
        }
        return new CudaEmbedding(
                context,
                pointer,
                table.type(),
                rows,
                table.columns(),
                slices.bytes(),
                table.skippedColumns());
    }

    /// Returns the values in one row.
    Tensor vector(float[] values) {
        if (values.length == 0) {
            throw new IllegalArgumentException("a vector has at least one value");
        }
        return table(new float[][] {values}, values.length);
    }

    RotaryTable rotary(float[][] cos, float[][] sin) {
        if (cos.length != sin.length || cos.length == 0) {
            throw new IllegalArgumentException(
                    "rotary tables of %d and %d positions".formatted(cos.length, sin.length));
        }
        int half = cos[0].length;
        return new RotaryTable(table(cos, half), table(sin, half), 2 * half);
    }

    private Tensor table(float[][] rows, int columns) {
        context.guard().refuse("a preparation");
        long rowBytes = 4L * columns;
        DevicePointer memory = context.memory().reserve(rows.length * rowBytes);
        int step = StoredSlices.rowsIn(CudaStaging.SLOT_BYTES, rowBytes);
        for (int from = 0; from < rows.length && columns > 0; from += step) {
            int count = Math.min(step, rows.length - from);
            for (int i = from; i < from + count; i++) {
                if (rows[i].length != columns) {
                    throw new IllegalArgumentException(
                            "rotary row %d has %d values, the first %d"
                                    .formatted(i, rows[i].length, columns));
                }
            }
            DevicePointer to = memory.plus(from * rowBytes);
            if (rowBytes > CudaStaging.SLOT_BYTES) {
                context.staging().copy(MemorySegment.ofArray(rows[from]), to);
                continue;
            }
            MemorySegment claimed = context.staging().claim(count * rowBytes);
            for (int i = 0; i < count; i++) {
                MemorySegment.copy(
                        rows[from + i], 0, claimed, ValueLayout.JAVA_FLOAT, i * rowBytes, columns);
            }
            context.staging().enqueue(claimed, to);
        }
        return new Tensor(memory, DType.F32, rows.length, columns, columns);
    }

    @Override
    public void close() {
        stored.close();
    }
}
