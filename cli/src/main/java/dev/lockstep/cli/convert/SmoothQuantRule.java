// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.Smoothing;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// Scales from the largest inputs and weights of each channel, over all matrices that read it.
record SmoothQuantRule(InputMaxima inputs, Smoothing smoothing, StoredRows rows)
        implements InputScales.Rule {
    /// Values that are read at once.
    private static final int PIECE = 1 << 22;

    @Override
    public Optional<float[]> scales(List<ConvertedModel.Tensor> consumers) {
        return inputs.of(consumers.getFirst().name())
                .map(maxima -> smoothing.scales(maxima, weights(consumers, maxima.length)));
    }

    private float[] weights(List<ConvertedModel.Tensor> consumers, int columns) {
        float[] largest = new float[columns];
        for (ConvertedModel.Tensor each : consumers) {
            WeightMatrix matrix = each.source();
            int atOnce = Math.max(1, PIECE / columns);
            for (int from = 0; from < matrix.rows(); from += atOnce) {
                int to = Math.min(matrix.rows(), from + atOnce);
                float[] values = rows.read(matrix, IntStream.range(from, to).toArray());
                for (int i = 0; i < values.length; i++) {
                    int column = i % columns;
                    largest[column] = Math.max(largest[column], Math.abs(values[i]));
                }
            }
        }
        return largest;
    }
}
