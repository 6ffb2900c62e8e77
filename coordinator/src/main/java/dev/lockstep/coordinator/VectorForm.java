// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.checkpoint.SentenceDense;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.SentencePooling;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.Pooling;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.Arrays;
import java.util.List;

/// How the vector that a worker pooled becomes the one of a response: linear layers of the model, a
/// cut, and length 1.
///
/// @param dimensions how many of the first components a vector keeps; more than there are for all
record VectorForm(
        SentencePooling pooling, List<SentenceDense> dense, boolean normalize, int dimensions) {
    VectorForm {
        dense = List.copyOf(dense);
    }

    static VectorForm of(SentenceModel.Vectors vectors) {
        return new VectorForm(
                vectors.pooling(), vectors.dense(), vectors.normalize(), Integer.MAX_VALUE);
    }

    VectorForm withPooling(SentencePooling other) {
        return new VectorForm(other, dense, normalize, dimensions);
    }

    VectorForm normalized(boolean unit) {
        return new VectorForm(pooling, dense, unit, dimensions);
    }

    VectorForm cutTo(int first) {
        return new VectorForm(pooling, dense, normalize, first);
    }

    /// Returns the pooling of the worker.
    Pooling workerPooling() {
        return switch (pooling) {
            case CLS -> Pooling.POOLING_CLS;
            case MAX -> Pooling.POOLING_MAX;
            case MEAN, MEAN_SQRT_LENGTH -> Pooling.POOLING_MEAN;
            case WEIGHTED_MEAN -> Pooling.POOLING_WEIGHTED_MEAN;
            case LAST -> Pooling.POOLING_LAST;
        };
    }

    /// Returns the vector of a prompt.
    ///
    /// @param pooled by the worker
    float[] of(List<Float> pooled, TokenPrompt prompt) {
        double factor =
                pooling == SentencePooling.MEAN_SQRT_LENGTH
                        ? Math.sqrt(prompt.length() - prompt.outputs().from())
                        : 1;
        float[] vector = new float[pooled.size()];
        for (int i = 0; i < vector.length; i++) {
            vector[i] = (float) (factor * pooled.get(i));
        }
        for (SentenceDense layer : dense) {
            vector = layer.apply(vector);
        }
        return normalize ? unit(cut(vector)) : cut(vector);
    }

    /// Returns outputs of positions with the vector of a prompt in place of the pooled one.
    PositionOutputs of(PositionOutputs outputs, TokenPrompt prompt) {
        if (outputs.getPooledCount() == 0) {
            return outputs;
        }
        PositionOutputs.Builder formed = outputs.toBuilder().clearPooled();
        for (float value : of(outputs.getPooledList(), prompt)) {
            formed.addPooled(value);
        }
        return formed.build();
    }

    private float[] cut(float[] vector) {
        return dimensions < vector.length ? Arrays.copyOf(vector, dimensions) : vector;
    }

    /// Returns `x / |x|`; a vector of zeros stays zero.
    private static float[] unit(float[] vector) {
        double squares = 0;
        for (float value : vector) {
            squares += (double) value * value;
        }
        double length = squares == 0 ? 1 : Math.sqrt(squares);
        float[] unit = new float[vector.length];
        for (int i = 0; i < unit.length; i++) {
            unit[i] = (float) (vector[i] / length);
        }
        return unit;
    }
}
