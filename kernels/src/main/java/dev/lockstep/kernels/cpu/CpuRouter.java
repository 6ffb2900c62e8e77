// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;

/// The router of tokens to experts. The experts of a token are a function of its own logits. The
/// work is too small for threads or C++.
///
/// The owner of the experts closes it.
final class CpuRouter implements AutoCloseable {
    /// Marks the share of a chosen expert; no share is negative.
    private static final float CHOSEN = -1;

    private final GrowingMemory memory;

    CpuRouter(CpuMemory memory) {
        this.memory = new GrowingMemory(memory);
    }

    /// Routes each token; a token with a logit that is NaN or +∞ goes to the first experts, each
    /// with the weight NaN. The result is valid until the next call.
    CpuRouting route(Tensor logits, int perToken, boolean renormalized) {
        int tokens = logits.rows();
        int experts = logits.columns();
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
        return new CpuRouting(memory.atLeast(bytes(tokens, perToken)), counts)
                .fill(chosen, weights);
    }

    ScratchNeed scratchNeed(int tokens, int perToken) {
        return new ScratchNeed(memory, bytes(tokens, perToken));
    }

    /// Returns the bytes of the row and the weight of each token of each expert.
    private static long bytes(int tokens, int perToken) {
        return 8L * tokens * perToken;
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
        return SEGMENT.get(FLOAT, floats + 4L * i);
    }
}
