package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.Lanes.COUNT;
import static dev.lockstep.kernels.cpu.Lanes.FLOAT;
import static dev.lockstep.kernels.cpu.Lanes.FLOAT_VALUE;
import static dev.lockstep.kernels.cpu.Lanes.INT;
import static dev.lockstep.kernels.cpu.Lanes.ORDER;
import static dev.lockstep.kernels.cpu.Lanes.SHORT;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorInt8.SCALED_SUM;
import static dev.lockstep.kernels.cpu.VectorInt8.pair;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Q4_1 weights, tile `[block][4][16 rows]` of ints, where step s holds nibbles of columns 4s … 4s
/// + 3 in the low half and of columns 4s + 16 … 4s + 19 in the high half; then `[block][scale,
///   minimum][16 rows]` of f32.
///
/// Sixteen products of 15 · 127 fit 16 bits, so a whole block is added before it is widened.
final class VectorQ4Tile implements VectorTile {
    private static final int STEPS = 4;
    private static final long STEP_BYTES = 64;
    static final long BLOCK_BYTES = STEPS * STEP_BYTES;
    static final long SCALES_BYTES = 2 * STEP_BYTES;

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += COUNT) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * BLOCK_BYTES;
            var sum = FloatVector.zero(FLOAT);
            for (int block = 0; block < blocks; block++) {
                long record = x + block * RECORD_BYTES;
                var dot = ShortVector.zero(SHORT);
                for (int step = 0; step < STEPS; step++) {
                    var four = load(weights + step * STEP_BYTES);
                    dot = add(dot, four, record, 4 * step);
                }
                var scale = FloatVector.fromMemorySegment(FLOAT, SEGMENT, scales, ORDER);
                var minimum =
                        FloatVector.fromMemorySegment(FLOAT, SEGMENT, scales + STEP_BYTES, ORDER);
                sum = scaled(scale, minimum, record, dot, sum);
                weights += BLOCK_BYTES;
                scales += SCALES_BYTES;
            }
            VectorF32Tile.store(sum, out, row, rows);
        }
    }

    @Override
    public void four(
            long x, long xStride, int columns, long tile, long out, long outStride, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += COUNT) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * BLOCK_BYTES;
            var sum0 = FloatVector.zero(FLOAT);
            var sum1 = sum0;
            var sum2 = sum0;
            var sum3 = sum0;
            for (int block = 0; block < blocks; block++) {
                long record0 = x + block * RECORD_BYTES;
                long record1 = record0 + xStride;
                long record2 = record1 + xStride;
                long record3 = record2 + xStride;
                var dot0 = ShortVector.zero(SHORT);
                var dot1 = dot0;
                var dot2 = dot0;
                var dot3 = dot0;
                for (int step = 0; step < STEPS; step++) {
                    var four = load(weights + step * STEP_BYTES);
                    dot0 = add(dot0, four, record0, 4 * step);
                    dot1 = add(dot1, four, record1, 4 * step);
                    dot2 = add(dot2, four, record2, 4 * step);
                    dot3 = add(dot3, four, record3, 4 * step);
                }
                var scale = FloatVector.fromMemorySegment(FLOAT, SEGMENT, scales, ORDER);
                var minimum =
                        FloatVector.fromMemorySegment(FLOAT, SEGMENT, scales + STEP_BYTES, ORDER);
                sum0 = scaled(scale, minimum, record0, dot0, sum0);
                sum1 = scaled(scale, minimum, record1, dot1, sum1);
                sum2 = scaled(scale, minimum, record2, dot2, sum2);
                sum3 = scaled(scale, minimum, record3, dot3, sum3);
                weights += BLOCK_BYTES;
                scales += SCALES_BYTES;
            }
            VectorF32Tile.store(sum0, out, row, rows);
            VectorF32Tile.store(sum1, out + outStride, row, rows);
            VectorF32Tile.store(sum2, out + 2 * outStride, row, rows);
            VectorF32Tile.store(sum3, out + 3 * outStride, row, rows);
        }
    }

    // Small enough that C2 always inlines them; a vector that crosses a real call is boxed.

    private static ShortVector load(long address) {
        return IntVector.fromMemorySegment(INT, SEGMENT, address, ORDER).reinterpretAsShorts();
    }

    private static ShortVector add(ShortVector dot, ShortVector four, long record, int i) {
        return dot.add(four.and((short) 15).mul(pair(record, i)))
                .add(nibble(four, 4).mul(pair(record, i + 1)))
                .add(nibble(four, 8).mul(pair(record, i + 2)))
                .add(four.lanewise(VectorOperators.LSHR, 12).mul(pair(record, i + 3)));
    }

    private static ShortVector nibble(ShortVector four, int bit) {
        return four.lanewise(VectorOperators.LSHR, bit).and((short) 15);
    }

    private static FloatVector scaled(
            FloatVector scale, FloatVector minimum, long record, ShortVector dot, FloatVector sum) {
        var product = VectorQ8Tile.widened(dot.reinterpretAsInts());
        return minimum.fma(
                FloatVector.broadcast(FLOAT, SEGMENT.get(FLOAT_VALUE, record + SCALED_SUM)),
                VectorQ8Tile.scaled(scale, record, product, sum));
    }
}
