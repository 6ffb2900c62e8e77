// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.INT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.Tensor;

/// The tokens of a step by expert: the rows of all experts, expert by expert, followed by their
/// weights.
final class CpuRouting {
    private final long rows;
    private final long weights;
    private final int[] counts;
    private final int[] starts;

    /// @param address of 8 bytes for each token of each expert
    /// @param counts the tokens of each expert
    CpuRouting(long address, int[] counts) {
        this.counts = counts;
        starts = new int[counts.length + 1];
        for (int expert = 0; expert < counts.length; expert++) {
            starts[expert + 1] = starts[expert] + counts[expert];
        }
        rows = address;
        weights = address + 4L * starts[counts.length];
    }

    CpuRouting fill(int[][] chosen, float[][] shares) {
        int[] next = starts.clone();
        for (int t = 0; t < chosen.length; t++) {
            for (int k = 0; k < chosen[t].length; k++) {
                int place = next[chosen[t][k]]++;
                SEGMENT.set(INT, rows + 4L * place, t);
                SEGMENT.set(FLOAT, weights + 4L * place, shares[t][k]);
            }
        }
        return this;
    }

    /// Returns the number of tokens of an expert.
    int count(int expert) {
        return counts[expert];
    }

    /// Returns the tokens of one expert, ascending: `[1, n]` I32.
    Tensor rows(int expert) {
        int count = counts[expert];
        var pointer = new DevicePointer(rows + 4L * starts[expert]);
        return new Tensor(pointer, DType.I32, 1, count, count);
    }

    /// Returns the token that is the i-th of an expert.
    int row(int expert, int i) {
        return SEGMENT.get(INT, rows + 4L * (starts[expert] + i));
    }

    /// Returns the expert's weight for its i-th token.
    float weight(int expert, int i) {
        return SEGMENT.get(FLOAT, weights + 4L * (starts[expert] + i));
    }
}
