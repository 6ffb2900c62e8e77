// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// A response made of one vector of length 1 for each input, pooled from the last layer's hidden
/// states.
abstract class PooledVectors extends CollectedResponse {
    private final float[][] pooled;
    private final int dimensions;

    /// @param dimensions how many of the first components a vector keeps; more than there are for
    ///   all
    PooledVectors(HttpExchange exchange, int inputs, int dimensions) {
        super(exchange);
        this.pooled = new float[inputs][0];
        this.dimensions = dimensions;
    }

    @Override
    public void outputs(int input, PositionOutputs outputs) {
        if (outputs.getPooledCount() > 0) {
            List<Float> all = outputs.getPooledList();
            pooled[input] = normalized(all.subList(0, Math.min(dimensions, all.size())));
        }
    }

    int count() {
        return pooled.length;
    }

    float[] vector(int input) {
        return pooled[input];
    }

    /// Returns the cosine of the angle between the vectors of two inputs.
    double cosine(int first, int second) {
        double sum = 0;
        for (int i = 0; i < pooled[first].length; i++) {
            sum += (double) pooled[first][i] * pooled[second][i];
        }
        return sum;
    }

    /// Returns `x / |x|`; a vector of zeros stays zero.
    static float[] normalized(List<Float> values) {
        double squares = 0;
        for (float value : values) {
            squares += (double) value * value;
        }
        double length = squares == 0 ? 1 : Math.sqrt(squares);
        float[] normalized = new float[values.size()];
        for (int i = 0; i < normalized.length; i++) {
            normalized[i] = (float) (values.get(i) / length);
        }
        return normalized;
    }
}
