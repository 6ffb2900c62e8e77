// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.ExpertRouting;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;

/// The router of tokens to experts. The experts of a token are a function of its own logits. The
/// work is too small for threads or C++.
///
/// The owner of the experts closes it.
final class CpuRouter implements AutoCloseable {
    /// The choice of an expert that was chosen or cannot be; no other choice is infinite.
    private static final float TAKEN = Float.NEGATIVE_INFINITY;

    private final GrowingMemory memory;

    CpuRouter(CpuMemory memory) {
        this.memory = new GrowingMemory(memory);
    }

    /// Routes each token; a token with a logit that is NaN or +∞ goes to the first experts, each
    /// with the weight NaN. The result is valid until the next call.
    CpuRouting route(Tensor logits, ExpertRouting routing) {
        int tokens = logits.rows();
        int experts = logits.columns();
        int perToken = routing.perToken();
        int[][] chosen = new int[tokens][perToken];
        float[][] weights = new float[tokens][perToken];
        int[] counts = new int[experts];
        for (int t = 0; t < tokens; t++) {
            float[] scores = scores(logits, t, routing.score());
            float[] choices = choices(scores, routing);
            if (routing.groups() > 1) {
                keepGroups(choices, routing);
            }
            choose(choices, chosen[t]);
            weigh(scores, chosen[t], routing, weights[t]);
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

    /// Returns the score of each expert; all are NaN if a logit is NaN or +∞.
    private static float[] scores(Tensor logits, int row, ExpertRouting.Score score) {
        long from = logits.pointer().address() + 4L * row * logits.stride();
        float[] scores = new float[logits.columns()];
        float max = Float.NEGATIVE_INFINITY;
        for (int i = 0; i < scores.length; i++) {
            max = Math.max(max, at(from, i));
        }
        switch (score) {
            case SOFTMAX -> softmax(from, max, scores);
            case SIGMOID -> sigmoid(from, max, scores);
        }
        return scores;
    }

    private static void softmax(long logits, float max, float[] scores) {
        float sum = 0;
        for (int i = 0; i < scores.length; i++) {
            scores[i] = Exponential.of(at(logits, i) - max);
            sum += scores[i];
        }
        for (int i = 0; i < scores.length; i++) {
            scores[i] /= sum;
        }
    }

    private static void sigmoid(long logits, float max, float[] scores) {
        float notANumber = Float.isFinite(max) ? 0 : Float.NaN;
        for (int i = 0; i < scores.length; i++) {
            scores[i] = 1 / (Exponential.of(0 - at(logits, i)) + 1) + notANumber;
        }
    }

    private static float[] choices(float[] scores, ExpertRouting routing) {
        float[] choices = scores.clone();
        if (routing.correction().isPresent()) {
            long correction = routing.correction().get().pointer().address();
            for (int i = 0; i < choices.length; i++) {
                choices[i] += at(correction, i);
            }
        }
        return choices;
    }

    /// Takes the experts of all groups but the best out of the choice.
    private static void keepGroups(float[] choices, ExpertRouting routing) {
        int size = choices.length / routing.groups();
        float[] ranks = new float[routing.groups()];
        for (int group = 0; group < ranks.length; group++) {
            ranks[group] = rank(choices, group * size, size, routing.rank());
        }
        int[] kept = new int[routing.keptGroups()];
        choose(ranks, kept);
        for (int group : kept) {
            ranks[group] = Float.POSITIVE_INFINITY;
        }
        for (int i = 0; i < choices.length; i++) {
            if (ranks[i / size] != Float.POSITIVE_INFINITY) {
                choices[i] = TAKEN;
            }
        }
    }

    private static float rank(float[] choices, int from, int size, ExpertRouting.GroupRank rank) {
        float best = Float.NEGATIVE_INFINITY;
        float second = Float.NEGATIVE_INFINITY;
        for (int i = from; i < from + size; i++) {
            float choice = choices[i];
            if (Float.isNaN(choice) || choice > best) {
                second = best;
                best = choice;
            } else if (choice > second) {
                second = choice;
            }
        }
        return switch (rank) {
            case BEST -> best;
            case BEST_TWO -> best + second;
        };
    }

    /// Chooses the greatest values, greatest first, the lower number first among ties and if all
    /// are NaN. Overwrites the chosen values.
    private static void choose(float[] values, int[] chosen) {
        for (int k = 0; k < chosen.length; k++) {
            int best = -1;
            for (int i = 0; i < values.length; i++) {
                if (values[i] != TAKEN && (best < 0 || values[i] > values[best])) {
                    best = i;
                }
            }
            chosen[k] = best;
            values[best] = TAKEN;
        }
    }

    private static void weigh(
            float[] scores, int[] chosen, ExpertRouting routing, float[] weights) {
        float sum = 0;
        for (int k = 0; k < chosen.length; k++) {
            weights[k] = scores[chosen[k]];
            sum += weights[k];
        }
        for (int k = 0; k < weights.length; k++) {
            float share = routing.renormalized() ? weights[k] / sum : weights[k];
            weights[k] = share * routing.scale();
            if (routing.factors().isPresent()) {
                weights[k] *= at(routing.factorsAddress(), chosen[k]);
            }
        }
    }

    private static float at(long floats, int i) {
        return SEGMENT.get(FLOAT, floats + 4L * i);
    }
}
