package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;
import static dev.lockstep.kernels.cpu.Lanes.COUNT;
import static dev.lockstep.kernels.cpu.Lanes.FLOAT;
import static dev.lockstep.kernels.cpu.Lanes.FLOAT_VALUE;
import static dev.lockstep.kernels.cpu.Lanes.INT;
import static dev.lockstep.kernels.cpu.Lanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorInt8.BLOCK;
import static dev.lockstep.kernels.cpu.VectorInt8.RECORD_BYTES;
import static dev.lockstep.kernels.cpu.VectorInt8.SCALE;
import static dev.lockstep.kernels.cpu.VectorInt8.pair;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;

/// Q8_0 weights, tile `[block][8][16 rows][4]` of q, where step s holds columns 2s, 2s + 1, 2s +
/// 16, 2s + 17 of its block; then `[block][16 rows]` of f32 scales.
///
/// Two products of |128 · 127| still fit 16 bits, so a step adds two and then widens.
final class VectorQ8Tile implements VectorTile {
    private static final int STEPS = 8;
    private static final long STEP_BYTES = 64;
    static final long BLOCK_BYTES = STEPS * STEP_BYTES;

    @Override
    public void one(long x, int columns, long tile, long out, int rows) {
        int blocks = columns / BLOCK;
        for (int row = 0; row < rows; row += COUNT) {
            long weights = tile + 4L * row;
            long scales = weights + blocks * BLOCK_BYTES;
            var sum = FloatVector.zero(FLOAT);
            for (int block = 0; block < blocks; block++) {
                long record = x + block * RECORD_BYTES;
                var dot = IntVector.zero(INT);
                for (int step = 0; step < STEPS; step++) {
                    var four = load(weights + step * STEP_BYTES);
                    var odd = four.lanewise(VectorOperators.ASHR, 8);
                    var even =
                            four.lanewise(VectorOperators.LSHL, 8)
                                    .lanewise(VectorOperators.ASHR, 8);
                    dot = add(dot, even, odd, record, step);
                }
                var scale = FloatVector.fromMemorySegment(FLOAT, SEGMENT, scales, ORDER);
                sum = scaled(scale, record, dot, sum);
                weights += BLOCK_BYTES;
                scales += STEP_BYTES;
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
                var dot0 = IntVector.zero(INT);
                var dot1 = dot0;
                var dot2 = dot0;
                var dot3 = dot0;
                for (int step = 0; step < STEPS; step++) {
                    var four = load(weights + step * STEP_BYTES);
                    var odd = four.lanewise(VectorOperators.ASHR, 8);
                    var even =
                            four.lanewise(VectorOperators.LSHL, 8)
                                    .lanewise(VectorOperators.ASHR, 8);
                    dot0 = add(dot0, even, odd, record0, step);
                    dot1 = add(dot1, even, odd, record1, step);
                    dot2 = add(dot2, even, odd, record2, step);
                    dot3 = add(dot3, even, odd, record3, step);
                }
                var scale = FloatVector.fromMemorySegment(FLOAT, SEGMENT, scales, ORDER);
                sum0 = scaled(scale, record0, dot0, sum0);
                sum1 = scaled(scale, record1, dot1, sum1);
                sum2 = scaled(scale, record2, dot2, sum2);
                sum3 = scaled(scale, record3, dot3, sum3);
                weights += BLOCK_BYTES;
                scales += STEP_BYTES;
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

    private static IntVector add(
            IntVector dot, ShortVector even, ShortVector odd, long record, int step) {
        var products =
                even.mul(pair(record, 2 * step))
                        .add(odd.mul(pair(record, 2 * step + 1)))
                        .reinterpretAsInts();
        return dot.add(widened(products));
    }

    /// The sum of both signed halves of each int.
    static IntVector widened(IntVector halves) {
        return halves.lanewise(VectorOperators.LSHL, 16)
                .lanewise(VectorOperators.ASHR, 16)
                .add(halves.lanewise(VectorOperators.ASHR, 16));
    }

    static FloatVector scaled(FloatVector scale, long record, IntVector dot, FloatVector sum) {
        return scale.mul(SEGMENT.get(FLOAT_VALUE, record + SCALE))
                .fma(dot.convertShape(VectorOperators.I2F, FLOAT, 0), sum);
    }
}
