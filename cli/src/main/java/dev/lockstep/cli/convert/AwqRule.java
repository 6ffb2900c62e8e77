// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.BlockFormat;
import dev.lockstep.model.quant.InputProducts;
import dev.lockstep.model.quant.ScaleSearch;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// Scales that keep the outputs of samples of the rows nearest to the original ones.
record AwqRule(Calibration calibration, StoredRows rows) implements InputScales.Rule {
    /// Rows of a matrix.
    private static final int SAMPLES = 32;

    /// Rows of all matrices with the same inputs, unless they are more matrices.
    private static final int ALL_SAMPLES = 128;

    @Override
    public Optional<float[]> scales(InputScales.Readers readers) {
        Optional<InputProducts> products = calibration.products(readers.input());
        if (products.isEmpty()) {
            return Optional.empty();
        }
        List<TensorPart> consumers = readers.consumers();
        int each = Math.clamp(ALL_SAMPLES / consumers.size(), 1, SAMPLES);
        List<float[]> samples = new ArrayList<>();
        consumers.forEach(part -> sample(part, each, samples));
        var format = (BlockFormat) consumers.getFirst().format().orElseThrow();
        return Optional.of(
                ScaleSearch.best(products.get(), format, samples, readers.needPowersOfTwo()));
    }

    private void sample(TensorPart part, int most, List<float[]> samples) {
        int count = Math.min(most, part.rows());
        int[] chosen =
                IntStream.range(0, count)
                        .map(i -> part.sourceRow((int) ((long) i * part.rows() / count)))
                        .toArray();
        float[] values = rows.read(part.tensor().source(), chosen);
        for (int i = 0; i < count; i++) {
            float[] row = new float[part.columns()];
            System.arraycopy(values, i * row.length, row, 0, row.length);
            samples.add(row);
        }
    }
}
