// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.AllMemory.FLOAT;
import static dev.lockstep.kernels.cpu.AllMemory.SEGMENT;

import dev.lockstep.kernels.SamplingSettings;
import java.util.Arrays;
import java.util.Map;

/// The settings of one sequence and the history that they need.
final class SamplingSlot {
    private final SamplingSettings settings;
    private final TokenCounts counts = new TokenCounts();
    private final int[] biasedIds;
    private final float[] biases;
    private long[] allowed = {};
    private int outputs;
    private int last;

    SamplingSlot(SamplingSettings settings, int[] promptIds, int[] outputIds) {
        this.settings = settings;
        biasedIds = settings.logitBias().keySet().stream().mapToInt(id -> id).sorted().toArray();
        biases = new float[biasedIds.length];
        for (Map.Entry<Integer, Float> bias : settings.logitBias().entrySet()) {
            biases[Arrays.binarySearch(biasedIds, bias.getKey())] = bias.getValue();
        }
        if (hasPenalties()) {
            for (int id : promptIds) {
                counts.addPrompt(id);
            }
        }
        if (promptIds.length > 0) {
            last = promptIds[promptIds.length - 1];
        }
        for (int id : outputIds) {
            record(id);
        }
    }

    SamplingSettings settings() {
        return settings;
    }

    /// Returns the number of tokens generated, including those before a preemption.
    int position() {
        return outputs;
    }

    int last() {
        return last;
    }

    void record(int id) {
        last = id;
        outputs++;
        if (hasPenalties()) {
            counts.addOutput(id);
        }
    }

    /// Restricts the ids to those with a bit here. The caller may change the array afterwards.
    void allow(long[] mask) {
        allowed = mask.clone();
    }

    /// Applies masks, biases and penalties, in the order of [SamplingSettings].
    void process(long logits, int vocabulary) {
        restrict(logits, vocabulary);
        if (outputs < settings.minTokens()) {
            for (int id : settings.maskedIds()) {
                SEGMENT.set(FLOAT, logits + id * 4L, Float.NEGATIVE_INFINITY);
            }
        }
        for (int i = 0; i < biasedIds.length; i++) {
            long at = logits + biasedIds[i] * 4L;
            SEGMENT.set(FLOAT, at, SEGMENT.get(FLOAT, at) + biases[i]);
        }
        for (int i = 0; i < counts.size(); i++) {
            long at = logits + counts.id(i) * 4L;
            SEGMENT.set(FLOAT, at, penalize(SEGMENT.get(FLOAT, at), counts.count(i)));
        }
    }

    private void restrict(long logits, int vocabulary) {
        for (int word = 0; word < allowed.length && word * Long.SIZE < vocabulary; word++) {
            int first = word * Long.SIZE;
            int count = Math.min(Long.SIZE, vocabulary - first);
            long masked = ~allowed[word] & (-1L >>> (Long.SIZE - count));
            while (masked != 0) {
                int id = first + Long.numberOfTrailingZeros(masked);
                SEGMENT.set(FLOAT, logits + id * 4L, Float.NEGATIVE_INFINITY);
                masked &= masked - 1;
            }
        }
    }

    private float penalize(float logit, int count) {
        float penalty = settings.repetitionPenalty();
        float x = logit > 0 ? logit / penalty : logit * penalty;
        return count == 0
                ? x
                : x - settings.frequencyPenalty() * count - settings.presencePenalty();
    }

    private boolean hasPenalties() {
        return settings.repetitionPenalty() != 1
                || settings.frequencyPenalty() != 0
                || settings.presencePenalty() != 0;
    }
}
