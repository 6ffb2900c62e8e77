// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.Smoothing;
import java.util.Optional;
import java.util.stream.IntStream;

/// Scales from the largest inputs and weights of each channel, over all matrices that read it.
record SmoothQuantRule(InputMaxima inputs, Smoothing smoothing, StoredRows rows)
        implements InputScales.Rule {
    /// Values that are read at once.
    private static final int PIECE = 1 << 22;

    @Override
    public Optional<float[]> scales(InputScales.Readers readers) {
        return inputs.of(readers.input())
                .map(
                        maxima -> {
                            float[] scales =
                                    smoothing.scales(maxima, weights(readers, maxima.length));
                            if (readers.needPowersOfTwo()) {
                                Smoothing.roundToPowersOfTwo(scales);
                            }
                            return scales;
                        });
    }

    private float[] weights(InputScales.Readers readers, int columns) {
        float[] largest = new float[columns];
        for (TensorPart each : readers.consumers()) {
            int atOnce = Math.max(1, PIECE / columns);
            for (int from = 0; from < each.rows(); from += atOnce) {
                int to = Math.min(each.rows(), from + atOnce);
                int[] chosen = IntStream.range(from, to).map(each::sourceRow).toArray();
                float[] values = rows.read(each.tensor().source(), chosen);
                for (int i = 0; i < values.length; i++) {
                    int column = i % columns;
                    largest[column] = Math.max(largest[column], Math.abs(values[i]));
                }
            }
        }
        return largest;
    }
}
