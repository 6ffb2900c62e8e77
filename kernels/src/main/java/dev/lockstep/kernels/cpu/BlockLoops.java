// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.CpuPagedKv.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SHORT;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import dev.lockstep.kernels.DType;
import java.lang.foreign.ValueLayout;
import jdk.incubator.vector.FloatVector;

/// The inner loops of attention over one block of sixteen tokens. Each method is one small loop,
/// which the compiler keeps in registers.
final class BlockLoops {
    // Byte offsets of the sums of weights and the values in a state, which begins with its maximum.
    private static final long WEIGHTS = VectorLanes.BYTES;
    static final long VALUES = 2 * VectorLanes.BYTES;

    private BlockLoops() {}

    static void widen(long from, long to, int count, DType type) {
        if (type == DType.I8) {
            for (int i = 0; i < count; i++) {
                MEMORY.set(FLOAT, to + i * 4L, MEMORY.get(ValueLayout.JAVA_BYTE, from + i));
            }
        } else if (type == DType.FP8) {
            for (int i = 0; i < count; i++) {
                byte code = MEMORY.get(ValueLayout.JAVA_BYTE, from + i);
                MEMORY.set(FLOAT, to + i * 4L, Float8.reduced(code));
            }
        } else if (type == DType.F16) {
            for (int i = 0; i < count; i++) {
                MEMORY.set(
                        FLOAT, to + i * 4L, Float.float16ToFloat(MEMORY.get(SHORT, from + i * 2L)));
            }
        } else {
            for (int i = 0; i < count; i++) {
                float x = VectorLanes.bfloat16ToFloat(MEMORY.get(SHORT, from + i * 2L));
                MEMORY.set(FLOAT, to + i * 4L, x);
            }
        }
    }

    /// Writes the values of a block whose values are its keys: `[16 tokens][headSize]` of
    /// `[headSize][16 tokens]`.
    static void transpose(long keys, long values, int headSize) {
        for (int t = 0; t < BLOCK; t++) {
            long key = keys + t * 4L;
            long value = values + (long) t * headSize * 4;
            for (int d = 0; d < headSize; d++) {
                MEMORY.set(FLOAT, value + d * 4L, MEMORY.get(FLOAT, key + (long) d * BLOCK * 4));
            }
        }
    }

    /// Adds the scores of one group of dimensions, times the scales of its keys.
    static void addScaled(long scores, long scales, boolean isFirst, long out) {
        for (long i = 0; i < VectorLanes.BYTES; i += STEP * 4L) {
            FloatVector score = FloatVector.fromMemorySegment(SPECIES, MEMORY, scores + i, ORDER);
            FloatVector scale = FloatVector.fromMemorySegment(SPECIES, MEMORY, scales + i, ORDER);
            FloatVector sum =
                    isFirst
                            ? score.mul(scale)
                            : score.fma(
                                    scale,
                                    FloatVector.fromMemorySegment(SPECIES, MEMORY, out + i, ORDER));
            sum.intoMemorySegment(MEMORY, out + i, ORDER);
        }
    }

    static void multiply(long weights, long scales, long out) {
        for (long i = 0; i < VectorLanes.BYTES; i += STEP * 4L) {
            FloatVector.fromMemorySegment(SPECIES, MEMORY, weights + i, ORDER)
                    .mul(FloatVector.fromMemorySegment(SPECIES, MEMORY, scales + i, ORDER))
                    .intoMemorySegment(MEMORY, out + i, ORDER);
        }
    }

    static void scores(long q, long keys, int headSize, long out) {
        for (int i = 0; i < BLOCK; i += STEP) {
            FloatVector sum = FloatVector.zero(SPECIES);
            for (int d = 0; d < headSize; d++) {
                long at = keys + ((long) d * BLOCK + i) * 4;
                sum =
                        FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
                                .fma(broadcast(q + d * 4L), sum);
            }
            sum.intoMemorySegment(MEMORY, out + i * 4L, ORDER);
        }
    }

    static void scores4(long q, long queryBytes, long keys, int headSize, long out) {
        long q1 = q + queryBytes;
        long q2 = q1 + queryBytes;
        long q3 = q2 + queryBytes;
        for (int i = 0; i < BLOCK; i += STEP) {
            FloatVector sum0 = FloatVector.zero(SPECIES);
            FloatVector sum1 = sum0;
            FloatVector sum2 = sum0;
            FloatVector sum3 = sum0;
            for (int d = 0; d < headSize; d++) {
                long at = keys + ((long) d * BLOCK + i) * 4;
                FloatVector key = FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER);
                sum0 = key.fma(broadcast(q + d * 4L), sum0);
                sum1 = key.fma(broadcast(q1 + d * 4L), sum1);
                sum2 = key.fma(broadcast(q2 + d * 4L), sum2);
                sum3 = key.fma(broadcast(q3 + d * 4L), sum3);
            }
            sum0.intoMemorySegment(MEMORY, out + i * 4L, ORDER);
            sum1.intoMemorySegment(MEMORY, out + i * 4L + VectorLanes.BYTES, ORDER);
            sum2.intoMemorySegment(MEMORY, out + i * 4L + 2 * VectorLanes.BYTES, ORDER);
            sum3.intoMemorySegment(MEMORY, out + i * 4L + 3 * VectorLanes.BYTES, ORDER);
        }
    }

    static void cap(long scores, float softCap) {
        if (softCap > 0) {
            for (int t = 0; t < BLOCK; t++) {
                float score = MEMORY.get(FLOAT, scores + t * 4L);
                MEMORY.set(FLOAT, scores + t * 4L, HyperbolicTangent.softCap(score, softCap));
            }
        }
    }

    // Turns the scores of one vector into weights, 0 outside tokens [from, to); returns the factor
    // for its earlier sums.
    static float weigh(long scores, int from, int to, long state) {
        float before = MEMORY.get(FLOAT, state);
        float now = before;
        for (int t = 0; t < BLOCK; t++) {
            if (t < from || t >= to) {
                MEMORY.set(FLOAT, scores + t * 4L, Float.NEGATIVE_INFINITY);
            }
            float score = MEMORY.get(FLOAT, scores + t * 4L);
            now = score > now ? score : now;
        }
        VectorExponential.lanes(scores, now, 1);
        float factor = now == before ? 1 : Exponential.of(before - now);
        for (long i = 0; i < VectorLanes.BYTES; i += STEP * 4L) {
            FloatVector.fromMemorySegment(SPECIES, MEMORY, state + WEIGHTS + i, ORDER)
                    .fma(
                            FloatVector.broadcast(SPECIES, factor),
                            FloatVector.fromMemorySegment(SPECIES, MEMORY, scores + i, ORDER))
                    .intoMemorySegment(MEMORY, state + WEIGHTS + i, ORDER);
        }
        MEMORY.set(FLOAT, state, now);
        return factor;
    }

    static void values(
            long weights,
            long factor,
            long rows,
            int valueSize,
            int columns,
            int visible,
            long values) {
        for (int c = 0; c < columns; c += STEP) {
            long at = values + c * 4L;
            FloatVector sum =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
                            .mul(MEMORY.get(FLOAT, factor));
            for (int t = 0; t < visible; t++) {
                long row = rows + ((long) t * valueSize + c) * 4;
                sum =
                        FloatVector.fromMemorySegment(SPECIES, MEMORY, row, ORDER)
                                .fma(broadcast(weights + t * 4L), sum);
            }
            sum.intoMemorySegment(MEMORY, at, ORDER);
        }
    }

    static void values4(
            long weights,
            long factors,
            long rows,
            int valueSize,
            int columns,
            int visible,
            long values,
            long stateBytes) {
        for (int c = 0; c < columns; c += STEP) {
            long at = values + c * 4L;
            long at1 = at + stateBytes;
            long at2 = at1 + stateBytes;
            long at3 = at2 + stateBytes;
            FloatVector sum0 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at, ORDER)
                            .mul(MEMORY.get(FLOAT, factors));
            FloatVector sum1 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at1, ORDER)
                            .mul(MEMORY.get(FLOAT, factors + 4));
            FloatVector sum2 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at2, ORDER)
                            .mul(MEMORY.get(FLOAT, factors + 8));
            FloatVector sum3 =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, at3, ORDER)
                            .mul(MEMORY.get(FLOAT, factors + 12));
            for (int t = 0; t < visible; t++) {
                long from = rows + ((long) t * valueSize + c) * 4;
                long weight = weights + t * 4L;
                FloatVector row = FloatVector.fromMemorySegment(SPECIES, MEMORY, from, ORDER);
                sum0 = row.fma(broadcast(weight), sum0);
                sum1 = row.fma(broadcast(weight + VectorLanes.BYTES), sum1);
                sum2 = row.fma(broadcast(weight + 2 * VectorLanes.BYTES), sum2);
                sum3 = row.fma(broadcast(weight + 3 * VectorLanes.BYTES), sum3);
            }
            sum0.intoMemorySegment(MEMORY, at, ORDER);
            sum1.intoMemorySegment(MEMORY, at1, ORDER);
            sum2.intoMemorySegment(MEMORY, at2, ORDER);
            sum3.intoMemorySegment(MEMORY, at3, ORDER);
        }
    }

    private static FloatVector broadcast(long address) {
        return FloatVector.broadcast(SPECIES, MEMORY.get(FLOAT, address));
    }

    static void mergeState(long state, long later, long stateBytes) {
        float other = MEMORY.get(FLOAT, later);
        if (other == Float.NEGATIVE_INFINITY) {
            return;
        }
        float before = MEMORY.get(FLOAT, state);
        float now = other > before ? other : before;
        float a = Exponential.of(before - now);
        float b = Exponential.of(other - now);
        MEMORY.set(FLOAT, state, now);
        for (long i = WEIGHTS; i < stateBytes; i += STEP * 4L) {
            FloatVector sum =
                    FloatVector.fromMemorySegment(SPECIES, MEMORY, state + i, ORDER).mul(a);
            FloatVector.fromMemorySegment(SPECIES, MEMORY, later + i, ORDER)
                    .fma(FloatVector.broadcast(SPECIES, b), sum)
                    .intoMemorySegment(MEMORY, state + i, ORDER);
        }
    }

    /// @param sink address of the head's sink, 0 for none
    /// @param valueScale of the values as they were read
    static void finish(long state, int valueSize, long sink, float valueScale, long out) {
        float factor = factor(state, VectorLanes.sum(state + WEIGHTS), sink) * valueScale;
        for (int d = 0; d < valueSize; d++) {
            float value = MEMORY.get(FLOAT, state + VALUES + d * 4L);
            MEMORY.set(FLOAT, out + d * 4L, value * factor);
        }
    }

    /// Returns what the sums of values are multiplied by, with the greater of maximum and sink as
    /// the new maximum.
    private static float factor(long state, float total, long sink) {
        if (sink == 0) {
            return 1 / total;
        }
        float maximum = MEMORY.get(FLOAT, state);
        float score = MEMORY.get(FLOAT, sink);
        float now = score > maximum ? score : maximum;
        float own = Exponential.of(maximum - now);
        return own / Math.fma(total, own, Exponential.of(score - now));
    }
}
