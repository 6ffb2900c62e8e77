// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.checkpoint.WeightMatrix;
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
    private static final int SAMPLES = 32;

    @Override
    public Optional<float[]> scales(List<ConvertedModel.Tensor> consumers) {
        ConvertedModel.Tensor first = consumers.getFirst();
        Optional<InputProducts> products = calibration.products(first.name());
        if (products.isEmpty()) {
            return Optional.empty();
        }
        List<float[]> samples = new ArrayList<>();
        consumers.forEach(each -> sample(each.source(), samples));
        var format = (BlockFormat) first.format().orElseThrow();
        return Optional.of(ScaleSearch.best(products.get(), format, samples));
    }

    private void sample(WeightMatrix matrix, List<float[]> samples) {
        int count = Math.min(SAMPLES, matrix.rows());
        int[] chosen =
                IntStream.range(0, count)
                        .map(i -> (int) ((long) i * matrix.rows() / count))
                        .toArray();
        float[] values = rows.read(matrix, chosen);
        for (int i = 0; i < count; i++) {
            float[] row = new float[matrix.columns()];
            System.arraycopy(values, i * row.length, row, 0, row.length);
            samples.add(row);
        }
    }
}
