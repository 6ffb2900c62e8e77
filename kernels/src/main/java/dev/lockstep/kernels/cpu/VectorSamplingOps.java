// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;
import static dev.lockstep.kernels.cpu.VectorLanes.ORDER;
import static dev.lockstep.kernels.cpu.VectorLanes.SPECIES;
import static dev.lockstep.kernels.cpu.VectorLanes.STEP;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// The twin of `sampling.cpp` that needs no compiler.
final class VectorSamplingOps implements SamplingOps {

    @Override
    public int argMax(long logits, int count) {
        float greatest = Float.NEGATIVE_INFINITY;
        int best = 0;
        int i = 0;
        for (; i + STEP <= count; i += STEP) {
            if (anyAbove(logits + i * 4L, greatest)) {
                for (int j = i; j < i + STEP; j++) {
                    float x = MEMORY.get(FLOAT, logits + j * 4L);
                    if (x > greatest) {
                        greatest = x;
                        best = j;
                    }
                }
            }
        }
        for (; i < count; i++) {
            float x = MEMORY.get(FLOAT, logits + i * 4L);
            if (x > greatest) {
                greatest = x;
                best = i;
            }
        }
        return best;
    }

    private static boolean anyAbove(long address, float limit) {
        return FloatVector.fromMemorySegment(SPECIES, MEMORY, address, ORDER)
                .compare(VectorOperators.GT, limit)
                .anyTrue();
    }

    @Override
    public void clean(long logits, int count, long maxima) {
        for (int from = 0; from < count; from += CHUNK) {
            float greatest = Float.NEGATIVE_INFINITY;
            int to = Math.min(count, from + CHUNK);
            for (int i = from; i < to; i++) {
                float x = MEMORY.get(FLOAT, logits + i * 4L);
                if (Float.isNaN(x) || x > Float.MAX_VALUE) {
                    x = Float.isNaN(x) ? Float.NEGATIVE_INFINITY : Float.MAX_VALUE;
                    MEMORY.set(FLOAT, logits + i * 4L, x);
                }
                greatest = Math.max(greatest, x);
            }
            MEMORY.set(FLOAT, maxima + from / CHUNK * 4L, greatest);
        }
    }

    @Override
    public double exponentialSum(long logits, int count, float greatest, float factor) {
        double total = 0;
        try (Arena arena = Arena.ofConfined()) {
            long lanes = arena.allocate(2 * VectorLanes.BYTES, 64).address();
            long sums = lanes + VectorLanes.BYTES;
            for (int from = 0; from < count; from += CHUNK) {
                MEMORY.asSlice(sums, VectorLanes.BYTES).fill((byte) 0);
                int to = Math.min(count, from + CHUNK);
                for (int i = from; i < to; i += VectorLanes.COUNT) {
                    addExponentials(logits + i * 4L, to - i, greatest, factor, lanes, sums);
                }
                total += VectorLanes.sum(sums);
            }
        }
        return total;
    }

    private static void addExponentials(
            long logits, int count, float greatest, float factor, long lanes, long sums) {
        int rest = Math.min(count, VectorLanes.COUNT);
        MemorySegment.copy(MEMORY, logits, MEMORY, lanes, rest * 4L);
        VectorExponential.lanes(lanes, greatest, factor);
        MEMORY.asSlice(lanes + rest * 4L, (VectorLanes.COUNT - rest) * 4L).fill((byte) 0);
        for (long i = 0; i < VectorLanes.BYTES; i += STEP * 4L) {
            FloatVector.fromMemorySegment(SPECIES, MEMORY, sums + i, ORDER)
                    .add(FloatVector.fromMemorySegment(SPECIES, MEMORY, lanes + i, ORDER))
                    .intoMemorySegment(MEMORY, sums + i, ORDER);
        }
    }

    @Override
    public int collect(long logits, int count, float limit, long ids) {
        int found = 0;
        for (int i = 0; i < count; i++) {
            if (MEMORY.get(FLOAT, logits + i * 4L) >= limit) {
                MEMORY.set(INT, ids + found * 4L, i);
                found++;
            }
        }
        return found;
    }

    @Override
    public int draw(
            long logits,
            int count,
            float greatest,
            int start,
            double factor,
            long seed,
            int choice,
            int position) {
        int[] words = new int[4];
        int best = start;
        double bestScore = Gumbel.noise(seed, choice, position, start, words);
        for (int from = 0; from < count; from += CHUNK) {
            for (int j = 0; j < VectorLanes.COUNT; j++) {
                int counter = from / CHUNK * VectorLanes.COUNT + j;
                Philox.generate(seed, counter, position, choice, 0, words);
                for (int w = 0; w < words.length; w++) {
                    int id = from + w * VectorLanes.COUNT + j;
                    if (id >= count) {
                        continue;
                    }
                    double x = (double) MEMORY.get(FLOAT, logits + id * 4L) - greatest;
                    if (canReach(words[w], x * factor, bestScore)) {
                        double score = x * factor + Gumbel.ofWord(words[w]);
                        if (score > bestScore || (score == bestScore && id < best)) {
                            bestScore = score;
                            best = id;
                        }
                    }
                }
            }
        }
        return best;
    }

    /// Returns false only if the noise of u cannot raise `z` to `bestScore`: the noise is below
    /// -log(1 - u), and 1 - u is at least 2^-(zeros + 1), where `zeros` lead the complement of the
    /// word.
    static boolean canReach(int word, double z, double bestScore) {
        int zeros = Integer.numberOfLeadingZeros(~word);
        return z + (zeros + 1) * 0.6931472 + 1e-6 >= bestScore;
    }
}
