// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.quant;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;
import java.util.stream.IntStream;

/// Quantizes the rows of a matrix, on all cores; the result does not depend on their number.
///
/// @param feedback from the inputs that the matrix had; without it each weight gets the nearest
///   code, and larger weights count more when scales are chosen
public record MatrixQuantizer(BlockFormat format, Optional<ErrorFeedback> feedback) {

    /// Returns the stored bytes of some rows.
    ///
    /// @param rows one after the other
    public byte[] quantize(float[] rows, int columns) {
        int blockColumns = format.columns();
        if (columns % blockColumns != 0) {
            throw new IllegalArgumentException(
                    "rows of %d values are not whole blocks of %d"
                            .formatted(columns, blockColumns));
        }
        feedback.ifPresent(
                each -> {
                    if (each.columns() != columns) {
                        throw new IllegalArgumentException(
                                "inputs of %d columns for a matrix of %d"
                                        .formatted(each.columns(), columns));
                    }
                });
        int count = rows.length / columns;
        int rowBytes = Math.multiplyExact(columns / blockColumns, format.blockBytes());
        byte[] stored = new byte[Math.multiplyExact(count, rowBytes)];
        IntStream.range(0, count)
                .parallel()
                .forEach(
                        row -> {
                            float[] values = new float[columns];
                            System.arraycopy(rows, row * columns, values, 0, columns);
                            ByteBuffer out =
                                    ByteBuffer.wrap(stored, row * rowBytes, rowBytes)
                                            .order(ByteOrder.LITTLE_ENDIAN);
                            quantize(values, out, new float[columns]);
                        });
        return stored;
    }

    /// Returns what the codes of a row stand for.
    float[] rounded(float[] row) {
        float[] rounded = new float[row.length];
        int bytes = row.length / format.columns() * format.blockBytes();
        quantize(row.clone(), ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN), rounded);
        return rounded;
    }

    private void quantize(float[] row, ByteBuffer out, float[] rounded) {
        int blockColumns = format.columns();
        float[] importance =
                feedback.map(ErrorFeedback::importance).orElseGet(() -> magnitudes(row));
        for (int from = 0; from < row.length; from += blockColumns) {
            QuantizedBlock block = format.fit(row, from, importance);
            for (int c = 0; c < blockColumns; c++) {
                float value = row[from + c];
                float chosen = block.choose(c, value);
                rounded[from + c] = chosen;
                if (feedback.isPresent()) {
                    feedback.get().pass(row, from + c, value - chosen);
                }
            }
            format.write(block, out);
        }
    }

    /// Returns the root of the mean square of the row plus each weight's own magnitude.
    private static float[] magnitudes(float[] row) {
        double squares = 0;
        for (float value : row) {
            squares += (double) value * value;
        }
        // Not 0, also for a row of zeros.
        float root = (float) Math.sqrt(squares / row.length) + Float.MIN_NORMAL;
        float[] magnitudes = new float[row.length];
        for (int i = 0; i < row.length; i++) {
            magnitudes[i] = root + Math.abs(row[i]);
        }
        return magnitudes;
    }
}
