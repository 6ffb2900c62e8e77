// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.ExpertRouting;
import dev.lockstep.kernels.Tensor;

/// The router of tokens to experts. The experts of a token are a function of its own logits. The
/// work is too small for threads or C++.
///
/// The kernels that created it close it.
final class CpuRouter implements AutoCloseable {
    /// Marks the share of a chosen expert; no share is negative.
    private static final float CHOSEN = -1;

    private final GrowingMemory memory;

    CpuRouter(CpuMemory memory) {
        this.memory = new GrowingMemory(memory);
    }

    ExpertRouting route(Tensor logits, int perToken, boolean renormalized) {
        int tokens = logits.rows();
        int experts = logits.columns();
        logits.require("logits", DType.F32, tokens, experts);
        if (perToken < 1 || perToken > experts) {
            throw new IllegalArgumentException(
                    "%d experts a token of %d".formatted(perToken, experts));
        }
        int[][] chosen = new int[tokens][perToken];
        float[][] weights = new float[tokens][perToken];
        int[] counts = new int[experts];
        for (int t = 0; t < tokens; t++) {
            float[] shares = softmax(logits, t);
            choose(shares, chosen[t], weights[t]);
            if (renormalized) {
                renormalize(weights[t]);
            }
            for (int expert : chosen[t]) {
                counts[expert]++;
            }
        }
        return new Routing(memory.atLeast(8L * Math.max(1, tokens * perToken)), counts)
                .fill(chosen, weights);
    }

    void addWeightedRows(Tensor x, Tensor rows, Tensor weights, Tensor out) {
        int count = rows.columns();
        x.require("x", DType.F32, count, out.columns());
        rows.require("rows", DType.I32, 1, count);
        weights.require("weights", DType.F32, 1, count);
        out.require("out", DType.F32, out.rows(), out.columns());
        for (int i = 0; i < count; i++) {
            int row = MEMORY.get(INT, rows.pointer().address() + 4L * i);
            if (row < 0 || row >= out.rows()) {
                throw new IllegalArgumentException("row %d of %d".formatted(row, out.rows()));
            }
            float weight = MEMORY.get(FLOAT, weights.pointer().address() + 4L * i);
            long from = x.pointer().address() + 4L * i * x.stride();
            long to = out.pointer().address() + 4L * row * out.stride();
            for (int c = 0; c < out.columns(); c++) {
                float sum = Math.fma(weight, MEMORY.get(FLOAT, from + 4L * c), at(to, c));
                MEMORY.set(FLOAT, to + 4L * c, sum);
            }
        }
    }

    @Override
    public void close() {
        memory.close();
    }

    private static float[] softmax(Tensor logits, int row) {
        long from = logits.pointer().address() + 4L * row * logits.stride();
        float[] shares = new float[logits.columns()];
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < shares.length; i++) {
            max = Math.max(max, at(from, i));
        }
        float sum = 0;
        for (int i = 0; i < shares.length; i++) {
            shares[i] = Exponential.of(at(from, i) - max);
            sum += shares[i];
        }
        for (int i = 0; i < shares.length; i++) {
            shares[i] /= sum;
        }
        return shares;
    }

    /// Chooses the largest shares, largest first, the lower number first among ties and if all are
    /// NaN. Overwrites the chosen entries of `shares`.
    private static void choose(float[] shares, int[] chosen, float[] weights) {
        for (int k = 0; k < chosen.length; k++) {
            int best = -1;
            for (int i = 0; i < shares.length; i++) {
                if (shares[i] != CHOSEN && (best < 0 || shares[i] > shares[best])) {
                    best = i;
                }
            }
            chosen[k] = best;
            weights[k] = shares[best];
            shares[best] = CHOSEN;
        }
    }

    private static void renormalize(float[] weights) {
        float sum = 0;
        for (float weight : weights) {
            sum += weight;
        }
        for (int k = 0; k < weights.length; k++) {
            weights[k] /= sum;
        }
    }

    private static float at(long floats, int i) {
        return MEMORY.get(FLOAT, floats + 4L * i);
    }

    /// The rows of all experts, expert by expert, followed by their weights.
    private static final class Routing implements ExpertRouting {
        private final long rows;
        private final long weights;
        private final int[] counts;
        private final int[] starts;

        Routing(long address, int[] counts) {
            this.counts = counts;
            starts = new int[counts.length + 1];
            for (int expert = 0; expert < counts.length; expert++) {
                starts[expert + 1] = starts[expert] + counts[expert];
            }
            rows = address;
            weights = address + 4L * starts[counts.length];
        }

        Routing fill(int[][] chosen, float[][] shares) {
            int[] next = starts.clone();
            for (int t = 0; t < chosen.length; t++) {
                for (int k = 0; k < chosen[t].length; k++) {
                    int place = next[chosen[t][k]]++;
                    MEMORY.set(INT, rows + 4L * place, t);
                    MEMORY.set(FLOAT, weights + 4L * place, shares[t][k]);
                }
            }
            return this;
        }

        @Override
        public int experts() {
            return counts.length;
        }

        @Override
        public Tensor rows(int expert) {
            return tensor(rows, DType.I32, expert);
        }

        @Override
        public Tensor weights(int expert) {
            return tensor(weights, DType.F32, expert);
        }

        private Tensor tensor(long from, DType type, int expert) {
            int count = counts[expert];
            var pointer = new DevicePointer(from + 4L * starts[expert]);
            return new Tensor(pointer, type, 1, count, count);
        }
    }
}
