// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;
import static dev.lockstep.kernels.cpu.VectorLanes.half;

import dev.lockstep.checkpoint.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/// The twin of `embed.cpp`, `rms_norm.cpp` and `layer_norm.cpp` that needs no compiler.
final class VectorRowOps implements RowOps {

    @Override
    public void embed(
            long table,
            TensorType type,
            long rowBytes,
            long columnBytes,
            int skipped,
            int columns,
            long sourceRows,
            long ids,
            long out,
            long outStride,
            int from,
            int to) {
        for (int t = from; t < to; t++) {
            int id = MEMORY.get(INT, ids + t * 4L);
            long row = table + MEMORY.get(INT, sourceRows + id * 4L) * rowBytes + columnBytes;
            long target = out + t * outStride * 4;
            switch (type) {
                case F32 -> MemorySegment.copy(MEMORY, row, MEMORY, target, columns * 4L);
                case F16 -> expandF16(row, columns, target);
                case BF16 -> expandBf16(row, columns, target);
                case Q4_1 -> expandQ41(row, columns, target);
                case Q8_0 -> expandQ80(row, columns, target);
                case E4M3 -> expandE4m3(row, skipped, columns, target);
                case NVFP4 -> {
                    for (int c = 0; c < columns; c++) {
                        MEMORY.set(FLOAT, target + c * 4L, Nvfp4.weight(row, skipped + c));
                    }
                }
                case NF4, FP4 -> {
                    for (int c = 0; c < columns; c++) {
                        MEMORY.set(FLOAT, target + c * 4L, Nf4.weight(type, row, skipped + c));
                    }
                }
                case Q4_0,
                        Q5_0,
                        Q5_1,
                        IQ4_NL,
                        MXFP4,
                        Q2_K,
                        Q3_K,
                        Q4_K,
                        Q5_K,
                        Q6_K,
                        IQ4_XS,
                        IQ1_S,
                        IQ1_M,
                        IQ2_XXS,
                        IQ2_XS,
                        IQ2_S,
                        IQ3_XXS,
                        IQ3_S,
                        TQ1_0,
                        TQ2_0,
                        Q4_OFFSET,
                        Q4_ZERO,
                        Q8_OFFSET,
                        Q4_ZERO_32,
                        Q4_ZERO_128,
                        Q8_ZERO,
                        Q8_ZERO_32 ->
                        expand(new StoredSubBlock(type), row, skipped, columns, target);
            }
        }
    }

    @Override
    public void rmsNorm(
            long x,
            long xStride,
            long weight,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to) {
        float[] squares = new float[VectorLanes.COUNT];
        for (int row = from; row < to; row++) {
            normalize(
                    x + row * xStride * 4,
                    weight,
                    columns,
                    epsilon,
                    out + row * outStride * 4,
                    squares);
        }
    }

    @Override
    public void addRmsNorm(
            long x,
            long xStride,
            long residual,
            long residualStride,
            long weight,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to) {
        float[] squares = new float[VectorLanes.COUNT];
        for (int row = from; row < to; row++) {
            long sums = residual + row * residualStride * 4;
            VectorElementOps.addRow(x + row * xStride * 4, sums, columns);
            normalize(sums, weight, columns, epsilon, out + row * outStride * 4, squares);
        }
    }

    @Override
    public void squareSums(
            long x, long xStride, int columns, long out, long outStride, int from, int to) {
        float[] squares = new float[VectorLanes.COUNT];
        for (int row = from; row < to; row++) {
            squareSums(x + row * xStride * 4, columns, squares);
            MEMORY.set(FLOAT, out + row * outStride * 4, VectorLanes.sum(squares));
        }
    }

    @Override
    public void normalizeBySums(
            long x,
            long xStride,
            long sums,
            long sumsStride,
            int count,
            long weight,
            int columns,
            float epsilon,
            int from,
            int to) {
        for (int row = from; row < to; row++) {
            float mean = MEMORY.get(FLOAT, sums + row * sumsStride * 4) / count;
            long values = x + row * xStride * 4;
            scale(values, weight, columns, mean, epsilon, values);
        }
    }

    @Override
    public void layerNorm(
            long x,
            long xStride,
            long weight,
            long bias,
            int columns,
            float epsilon,
            long out,
            long outStride,
            int from,
            int to) {
        for (int row = from; row < to; row++) {
            VectorLayerNorm.row(
                    x + row * xStride * 4,
                    weight,
                    bias,
                    columns,
                    epsilon,
                    out + row * outStride * 4);
        }
    }

    private static void normalize(
            long x, long weight, int columns, float epsilon, long out, float[] squares) {
        squareSums(x, columns, squares);
        scale(x, weight, columns, VectorLanes.sum(squares) / columns, epsilon, out);
    }

    private static void scale(
            long x, long weight, int columns, float mean, float epsilon, long out) {
        float factor = 1 / (float) Math.sqrt(mean + epsilon);
        int c = 0;
        for (; c + STEP <= columns; c += STEP) {
            FloatVector.fromMemorySegment(SPECIES, MEMORY, x + c * 4L, ORDER)
                    .mul(factor)
                    .mul(FloatVector.fromMemorySegment(SPECIES, MEMORY, weight + c * 4L, ORDER))
                    .intoMemorySegment(MEMORY, out + c * 4L, ORDER);
        }
        for (; c < columns; c++) {
            float scaled = MEMORY.get(FLOAT, x + c * 4L) * factor;
            MEMORY.set(FLOAT, out + c * 4L, scaled * MEMORY.get(FLOAT, weight + c * 4L));
        }
    }

    private static void squareSums(long x, int columns, float[] squares) {
        int whole = columns / VectorLanes.COUNT * VectorLanes.COUNT;
        for (int lane = 0; lane < VectorLanes.COUNT; lane += STEP) {
            FloatVector sums = FloatVector.zero(SPECIES);
            for (int c = lane; c < whole; c += VectorLanes.COUNT) {
                FloatVector a = FloatVector.fromMemorySegment(SPECIES, MEMORY, x + c * 4L, ORDER);
                sums = a.fma(a, sums);
            }
            sums.intoArray(squares, lane);
        }
        for (int c = whole; c < columns; c++) {
            float a = MEMORY.get(FLOAT, x + c * 4L);
            squares[c - whole] = Math.fma(a, a, squares[c - whole]);
        }
    }

    private static void expandF16(long row, int columns, long target) {
        for (int c = 0; c < columns; c++) {
            MEMORY.set(FLOAT, target + c * 4L, half(row + c * 2L));
        }
    }

    private static void expandBf16(long row, int columns, long target) {
        for (int c = 0; c < columns; c++) {
            float x = VectorLanes.bfloat16ToFloat(MEMORY.get(SHORT, row + c * 2L));
            MEMORY.set(FLOAT, target + c * 4L, x);
        }
    }

    private static void expand(
            StoredSubBlock subBlock, long row, int skipped, int columns, long target) {
        for (int c = 0; c < columns; c++) {
            int column = c % StoredSubBlock.COLUMNS;
            if (column == 0) {
                subBlock.read(row, (skipped + c) / StoredSubBlock.COLUMNS);
            }
            int half = column / (StoredSubBlock.COLUMNS / 2);
            float value =
                    Math.fma(subBlock.scale(half), subBlock.value(column), subBlock.minimum(half));
            MEMORY.set(FLOAT, target + c * 4L, value);
        }
    }

    private static void expandE4m3(long row, int skipped, int columns, long target) {
        int size = TensorType.E4M3.blockSize();
        for (int c = 0; c < columns; c++) {
            int column = skipped + c;
            long block = row + (long) (column / size) * TensorType.E4M3.blockBytes();
            int code = MEMORY.get(ValueLayout.JAVA_BYTE, block + Float.BYTES + column % size);
            float weight = Float8.value(code) * MEMORY.get(FLOAT, block);
            short rounded = VectorLanes.floatToBfloat16(weight);
            MEMORY.set(FLOAT, target + c * 4L, VectorLanes.bfloat16ToFloat(rounded));
        }
    }

    private static void expandQ80(long row, int columns, long target) {
        long block = row;
        for (int c = 0; c < columns; c += 32, block += 34) {
            float scale = half(block);
            for (int i = 0; i < 32; i++) {
                byte q = MEMORY.get(ValueLayout.JAVA_BYTE, block + 2 + i);
                MEMORY.set(FLOAT, target + (c + i) * 4L, scale * q);
            }
        }
    }

    private static void expandQ41(long row, int columns, long target) {
        long block = row;
        for (int c = 0; c < columns; c += 32, block += 20) {
            float scale = half(block);
            float minimum = half(block + 2);
            for (int i = 0; i < 16; i++) {
                int pair = MEMORY.get(ValueLayout.JAVA_BYTE, block + 4 + i);
                long low = target + (c + i) * 4L;
                MEMORY.set(FLOAT, low, Math.fma(scale, pair & 15, minimum));
                MEMORY.set(FLOAT, low + 64, Math.fma(scale, (pair >> 4) & 15, minimum));
            }
        }
    }
}
