// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.Arrays;

/// One vector of a prompt, pooled from the hidden states of its positions `[from, length)`, which
/// arrive in order and in any number of steps. Sums are in double and in order of position, so that
/// the vector has the same bits for any chunks.
final class PromptPool {
    private static final float[] NO_VALUES = {};

    private final OutputSettings.Pooling pooling;
    private final int from;
    private final int length;
    private double[] values = {};
    private double weight = 1;

    /// @param length of the prompt
    PromptPool(OutputSettings outputs, int length) {
        this.pooling = outputs.pooling();
        this.from = outputs.from();
        this.length = length;
    }

    /// Adds the hidden state of one position; one outside the range, as of a generated token, has
    /// no effect.
    void add(float[] states, int offset, int size, int position) {
        if (position < from || position >= length) {
            return;
        }
        boolean first = position == from;
        switch (pooling) {
            case NONE -> {}
            case LAST -> take(states, offset, size, position == length - 1);
            case CLS -> take(states, offset, size, first);
            case MEAN -> sum(states, offset, size, first, 1);
            case WEIGHTED_MEAN -> sum(states, offset, size, first, position + 1.0);
            case MAX -> max(states, offset, size, first);
        }
    }

    private void take(float[] states, int offset, int size, boolean wanted) {
        if (wanted) {
            values = new double[size];
            for (int i = 0; i < size; i++) {
                values[i] = states[offset + i];
            }
        }
    }

    private void sum(float[] states, int offset, int size, boolean first, double factor) {
        if (first) {
            values = new double[size];
            weight = 0;
        }
        for (int i = 0; i < size; i++) {
            values[i] += factor * states[offset + i];
        }
        weight += factor;
    }

    private void max(float[] states, int offset, int size, boolean first) {
        if (first) {
            values = new double[size];
            Arrays.fill(values, Double.NEGATIVE_INFINITY);
        }
        for (int i = 0; i < size; i++) {
            values[i] = Math.max(values[i], states[offset + i]);
        }
    }

    /// Returns the vector if the positions `[begin, end)`, all added, reach the end of the prompt;
    /// empty otherwise, and without pooling.
    float[] vector(int begin, int end) {
        boolean complete = begin < length && length <= end;
        if (!complete || pooling == OutputSettings.Pooling.NONE) {
            return NO_VALUES;
        }
        var vector = new float[values.length];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = (float) (values[i] / weight);
        }
        return vector;
    }
}
