// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.BlockFormat;
import dev.lockstep.model.quant.ScaleSearch;
import java.util.Optional;

/// Scales that keep the outputs of samples of the rows nearest to the original ones.
record AwqRule(Calibration calibration, StoredRows rows) implements InputScales.Rule {

    @Override
    public Optional<float[]> scales(InputScales.Readers readers) {
        return calibration
                .products(readers.input())
                .map(
                        products ->
                                ScaleSearch.best(
                                        products,
                                        (BlockFormat)
                                                readers.consumers()
                                                        .getFirst()
                                                        .format()
                                                        .orElseThrow(),
                                        new RowSamples(rows).of(readers.consumers()),
                                        readers.needPowersOfTwo()));
    }
}
