// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.BitSet;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// What a rank reads of a model, noted while its family loads without the bytes: rows and columns
/// of the matrices that it packs, and the names of all tensors that it asks for.
public final class RankReads {
    private final Set<String> asked = new HashSet<>();
    private final Map<String, Map<TensorType, Area>> areas = new HashMap<>();

    /// Rows and columns of a whole matrix, of which all crossings are read.
    record Area(BitSet rows, BitSet columns) {
        boolean isWhole(WeightMatrix whole) {
            return rows.cardinality() == whole.rows() && columns.cardinality() == whole.columns();
        }
    }

    /// Notes that the rank asks for a tensor.
    public void ask(String name) {
        asked.add(name);
    }

    /// Notes that the rank packs columns `[from, to)` of some rows.
    ///
    /// @param whole the tensor as the checkpoint has it
    /// @param matrix what the family made of it: a part of its rows, another order, a type that
    ///   holds its values, or the transposed matrix
    /// @param storedRows see [WeightMatrix#storedRow]
    public void read(WeightMatrix whole, WeightMatrix matrix, int[] storedRows, int from, int to) {
        if (storedRows.length == 0 || from == to) {
            return;
        }
        BitSet rows = new BitSet();
        for (int row : storedRows) {
            rows.set(row);
        }
        BitSet columns = new BitSet();
        columns.set(from, to);
        if (matrix.decoder().orElse(null) instanceof TransposedRows(WeightMatrix stored)) {
            BitSet inputs = new BitSet();
            columns.stream().map(stored::storedRow).forEach(inputs::set);
            add(whole, stored, inputs, rows);
        } else {
            add(whole, matrix, rows, columns);
        }
    }

    private void add(WeightMatrix whole, WeightMatrix matrix, BitSet rows, BitSet columns) {
        Area area =
                areas.computeIfAbsent(whole.name(), _ -> new EnumMap<>(TensorType.class))
                        .computeIfAbsent(matrix.type(), _ -> new Area(new BitSet(), new BitSet()));
        if (matrix.columns() != whole.columns()) {
            area.rows().set(0, whole.rows());
            area.columns().set(0, whole.columns());
            return;
        }
        int first = firstRow(whole, matrix);
        rows.stream().forEach(row -> area.rows().set(first + row));
        int block = matrix.type().blockSize();
        columns.stream().forEach(column -> area.columns().set(column / block * block));
        if (block == 1) {
            return;
        }
        BitSet starts = (BitSet) area.columns().clone();
        starts.stream()
                .filter(column -> column % block == 0)
                .forEach(column -> area.columns().set(column, column + block));
    }

    /// Returns the row of the whole matrix that is the first of a part of it.
    private static int firstRow(WeightMatrix whole, WeightMatrix part) {
        if (part.decoder().isEmpty()) {
            long bytes = part.data().address() - whole.data().address();
            return Math.toIntExact(bytes / whole.type().rowBytes(whole.columns()));
        }
        int first = 0;
        WeightDecoder decoder = part.decoder().get();
        while (decoder instanceof LaterRows(WeightDecoder inner, int rows)) {
            first += rows;
            decoder = inner;
        }
        return first;
    }

    boolean asks(String name) {
        return asked.contains(name);
    }

    /// Returns the types in which a matrix is packed.
    Set<TensorType> types(String name) {
        return areas.getOrDefault(name, Map.of()).keySet();
    }

    Optional<Area> area(String name, TensorType type) {
        return Optional.ofNullable(areas.getOrDefault(name, Map.of()).get(type));
    }
}
