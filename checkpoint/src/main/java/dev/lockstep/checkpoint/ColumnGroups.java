// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The groups of a matrix whose columns were quantized in the order of their activations, and the
/// order of columns in which those of a group follow each other. They are read when they are first
/// needed. Most files say that every column is in its place; no order is kept then.
final class ColumnGroups {
    private static final int[] IN_ORDER = {};

    private final RowReader groups;
    private final int columns;
    private final int count;
    private final int size;

    /// The column that each of the ordered ones is, or [#IN_ORDER].
    private volatile int @Nullable [] order;

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
        return IntStream.range(0, columns)
                .allMatch(i -> (int) group[own.length == 0 ? i : own[i]] == i / size);
    }

    /// Returns the column that each of the ordered columns is; empty where all are in their order.
    Optional<int[]> columnOrder() {
        int[] own = order();
        return own.length == 0 ? Optional.empty() : Optional.of(own.clone());
    }

    /// Returns the reader of values in the order of groups.
    RowReader ordered(RowReader values) {
        return (row, from, out) -> {
            int[] own = order();
            if (own.length == 0) {
                values.read(row, from, out);
                return;
            }
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
    private int[] order() {
        int[] known = order;
        if (known == null) {
            float[] group = read();
            boolean inOrder = IntStream.range(1, columns).allMatch(i -> group[i - 1] <= group[i]);
            known = inOrder ? IN_ORDER : sorted(group);
            order = known;
        }
        return known;
    }

    private static int[] sorted(float[] group) {
        return IntStream.range(0, group.length)
                .boxed()
                .sorted((a, b) -> Float.compare(group[a], group[b]))
                .mapToInt(Integer::intValue)
                .toArray();
    }
}
