// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.model.StoredRows;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Evenly spaced rows of matrices with the same inputs, by which scales are judged.
record RowSamples(StoredRows rows) {
    /// Rows of a matrix.
    private static final int EACH = 32;

    /// Rows of all matrices, unless they are more matrices.
    private static final int ALL = 128;

    List<float[]> of(List<TensorPart> parts) {
        int most = Math.clamp(ALL / parts.size(), 1, EACH);
        List<float[]> samples = new ArrayList<>();
        for (TensorPart part : parts) {
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
        return samples;
    }
}
