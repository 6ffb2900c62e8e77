// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// Reads values of a matrix as floats: codes, scales or zero points of quantized weights.
interface RowReader {

    /// Sets `values[i]` to column `from + i` of a row.
    void read(int row, int from, float[] values);

    /// Returns the reader of one value for each group of rows and columns.
    default RowReader perGroup(int rowsOfGroup, int columnsOfGroup) {
        return (row, from, values) -> {
            int first = from / columnsOfGroup;
            int last = (from + values.length - 1) / columnsOfGroup;
            float[] own = new float[last - first + 1];
            read(row / rowsOfGroup, first, own);
            for (int i = 0; i < values.length; i++) {
                values[i] = own[(from + i) / columnsOfGroup - first];
            }
        };
    }

    /// Returns the reader of one value for each group of columns.
    ///
    /// @param groups gives the group of each column
    default RowReader perGroupOf(RowReader groups, int groupCount) {
        return (row, from, values) -> {
            float[] own = new float[groupCount];
            read(row, 0, own);
            groups.read(row, from, values);
            for (int i = 0; i < values.length; i++) {
                int group = (int) values[i];
                if (group < 0 || group >= groupCount) {
                    throw new CheckpointException(
                            "column %d is in group %d of %d: the checkpoint is damaged"
                                    .formatted(from + i, group, groupCount));
                }
                values[i] = own[group];
            }
        };
    }

    /// Returns the reader of the f32 products of these values and a factor.
    default RowReader times(float factor) {
        return (row, from, values) -> {
            read(row, from, values);
            for (int i = 0; i < values.length; i++) {
                values[i] *= factor;
            }
        };
    }

    /// Returns the reader of the f32 quotients of these values and a divisor.
    default RowReader dividedBy(float divisor) {
        return (row, from, values) -> {
            read(row, from, values);
            for (int i = 0; i < values.length; i++) {
                values[i] /= divisor;
            }
        };
    }
}
