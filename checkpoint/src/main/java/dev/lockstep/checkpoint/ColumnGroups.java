// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.stream.IntStream;

/// The groups of a matrix whose columns were quantized in the order of their activations, and the
/// order of columns in which those of a group follow each other. They are read when they are first
/// needed.
final class ColumnGroups {
    private final RowReader groups;
    private final int columns;
    private final int count;
    private final int size;
    private Optional<int[]> order = Optional.empty();

    /// @param groups the group of each column, equal for all rows
    /// @param count the number of groups
    /// @param size columns of a group; the last one may have fewer
    ColumnGroups(RowReader groups, int columns, int count, int size) {
        this.groups = groups;
        this.columns = columns;
        this.count = count;
        this.size = size;
    }

    /// Returns whether all groups have their size, so that they are blocks of the ordered columns.
    boolean areWhole() {
        if (count != Math.ceilDiv(columns, size)) {
            return false;
        }
        float[] group = read();
        int[] own = order();
        return IntStream.range(0, columns).allMatch(i -> (int) group[own[i]] == i / size);
    }

    /// Returns the column that each of the ordered columns is; empty where all are in their order.
    Optional<int[]> columnOrder() {
        int[] own = order();
        boolean inOrder = IntStream.range(0, columns).allMatch(i -> own[i] == i);
        return inOrder ? Optional.empty() : Optional.of(own.clone());
    }

    /// Returns the reader of values in the order of groups.
    RowReader ordered(RowReader values) {
        return (row, from, out) -> {
            int[] own = order();
            float[] one = new float[1];
            for (int i = 0; i < out.length; i++) {
                values.read(row, own[from + i], one);
                out[i] = one[0];
            }
        };
    }

    private float[] read() {
        float[] group = new float[columns];
        groups.read(0, 0, group);
        return group;
    }

    /// Columns of a group keep their order.
    private synchronized int[] order() {
        if (order.isEmpty()) {
            float[] group = read();
            order =
                    Optional.of(
                            IntStream.range(0, columns)
                                    .boxed()
                                    .sorted((a, b) -> Float.compare(group[a], group[b]))
                                    .mapToInt(Integer::intValue)
                                    .toArray());
        }
        return order.get();
    }
}
