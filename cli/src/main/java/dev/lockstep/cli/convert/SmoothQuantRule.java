// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.model.ObservedProducts;
import dev.lockstep.model.StoredRows;
import dev.lockstep.model.quant.Smoothing;
import dev.lockstep.model.quant.SmoothingSearch;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Scales from the largest inputs and weights of each channel, over all matrices that read it.
///
/// @param fixed the α of all of them; each has the one with the smallest error if it is empty
/// @param chosen receives the α of each, by the name of a matrix with these inputs
record SmoothQuantRule(
        InputMaxima inputs,
        Optional<Smoothing> fixed,
        StoredRows rows,
        Map<String, Smoothing> chosen)
        implements InputScales.Rule {
    /// Values that are read at once.
    private static final int PIECE = 1 << 22;

    SmoothQuantRule(InputMaxima inputs, Optional<Smoothing> fixed, StoredRows rows) {
        this(inputs, fixed, rows, new LinkedHashMap<>());
    }

    @Override
    public Optional<float[]> scales(InputScales.Readers readers) {
        return inputs.of(readers.input()).map(maxima -> scales(readers, maxima));
    }

    private float[] scales(InputScales.Readers readers, float[] maxima) {
        var search =
                new SmoothingSearch(
                        maxima,
                        fixed.isPresent() ? new float[0] : inputs.samples(readers.input()),
                        weights(readers, maxima.length),
                        fixed.isPresent()
                                ? List.of()
                                : new RowSamples(rows).of(readers.consumers()),
                        readers.needPowersOfTwo());
        Smoothing smoothing = fixed.orElseGet(search::best);
        chosen.put(readers.input(), smoothing);
        return search.scales(smoothing);
    }

    /// Returns a line with the α that were found.
    Optional<String> report() {
        if (fixed.isPresent() || chosen.isEmpty()) {
            return Optional.empty();
        }
        Map<Integer, List<String>> layers = new TreeMap<>();
        chosen.forEach(
                (name, each) ->
                        layers.computeIfAbsent(
                                        ObservedProducts.layer(name).orElseThrow(),
                                        _ -> new ArrayList<>())
                                .add(String.valueOf(each.alpha())));
        return Optional.of(
                "alpha of each layer, before attention and before its feed-forward: "
                        + layers.entrySet().stream()
                                .map(
                                        each ->
                                                "%d: %s"
                                                        .formatted(
                                                                each.getKey(),
                                                                String.join(" ", each.getValue())))
                                .collect(Collectors.joining(", ")));
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
