// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.ObservedProducts;
import dev.lockstep.model.quant.ErrorFeedback;
import dev.lockstep.model.quant.InputProducts;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The inputs that a model's matrices have for some texts.
///
/// Their products take memory by the square of a layer's width, so they are taken for some layers
/// and experts at a time; for the next ones the texts are computed again. Inputs are those of the
/// model as it is, not of the quantized layers before, and of an expert those of the tokens that
/// chose it.
final class Calibration implements AutoCloseable {
    /// The layer of what comes after all layers.
    private static final int HEAD = Integer.MAX_VALUE;

    /// More than the places of a layer: its experts, and what is not of one.
    private static final long PLACES = 1 << 20;

    private static final float[] NO_FACTORS = {};

    private final CalibrationText text;
    private final long maxBytes;
    private final Terminal terminal;
    private final Kernels kernels;
    private final LocalModel model;

    /// The products of the places `[first, end)` by the name of each of their matrices.
    private final Map<String, InputProducts> products = new HashMap<>();

    private final Map<InputProducts, Feedback> feedbacks = new HashMap<>();

    /// @param factors of the columns for which it was made
    private record Feedback(Optional<float[]> factors, ErrorFeedback feedback) {

        boolean isFor(Optional<float[]> other) {
            return Arrays.equals(factors.orElse(NO_FACTORS), other.orElse(NO_FACTORS));
        }
    }

    private long first;
    private long end;

    /// Loads the model.
    ///
    /// @param maxBytes of products that are kept at a time, unless those of one place take more
    Calibration(
            ModelSource source,
            CalibrationText text,
            Kernels kernels,
            long maxBytes,
            Terminal terminal) {
        this.text = text;
        this.maxBytes = maxBytes;
        this.terminal = terminal;
        this.kernels = kernels;
        var observed = new ObservedProducts(kernels, this::observe);
        this.model =
                LocalModel.load(
                        source,
                        observed.kernels(),
                        CalibrationText.WINDOW,
                        LoadSettings.Progress.none());
    }

    /// Returns the feedback for a matrix; empty if it has no inputs.
    ///
    /// @param factors by which its columns are multiplied, and its inputs divided
    Optional<ErrorFeedback> of(String name, Optional<float[]> factors) {
        return products(name).map(each -> of(each, factors));
    }

    private ErrorFeedback of(InputProducts inputs, Optional<float[]> factors) {
        Feedback known = feedbacks.get(inputs);
        if (known == null || !known.isFor(factors)) {
            known =
                    new Feedback(
                            factors,
                            factors.map(each -> ErrorFeedback.of(inputs, each))
                                    .orElseGet(() -> ErrorFeedback.of(inputs)));
            feedbacks.put(inputs, known);
        }
        return known.feedback();
    }

    /// Returns the products of a matrix's inputs; empty if it has none, as an expert that no token
    /// chose.
    Optional<InputProducts> products(String name) {
        long place = place(name);
        long layer = layer(name) * PLACES;
        // What comes before in the layer is asked for next.
        if ((place < first || place >= end) && !(first >= layer && first <= place)) {
            take(layer, layer(name));
        }
        if (place < first || place >= end) {
            take(place, layer(name));
        }
        return Optional.ofNullable(products.get(name));
    }

    private void take(long place, int layer) {
        products.clear();
        feedbacks.clear();
        first = place;
        end = Long.MAX_VALUE;
        int done = 0;
        for (int[] window : text.windows()) {
            model.run(window);
            terminal.progress(
                    "calibrating from " + (layer == HEAD ? "the head" : "layer " + layer),
                    ++done,
                    text.windows().size());
        }
    }

    private void observe(List<String> weights, Tensor x) {
        long place = place(weights.getFirst());
        if (place < first || place >= end) {
            return;
        }
        InputProducts found = products.get(weights.getFirst());
        if (found == null) {
            if (place > first && keptBytes() + needed(x.columns()) > maxBytes) {
                end = place;
                products.keySet().removeIf(name -> place(name) >= end);
                return;
            }
            var added = new InputProducts(x.columns());
            weights.forEach(name -> products.put(name, added));
            found = added;
        }
        found.add(ObservedProducts.values(kernels, x));
    }

    private long keptBytes() {
        return products.values().stream()
                .distinct()
                .mapToLong(each -> needed(each.columns()))
                .sum();
    }

    /// Returns the bytes of products and of the feedback made from them.
    private static long needed(int columns) {
        return 2 * InputProducts.bytes(columns);
    }

    /// Returns the place of a matrix among all: by its layer, and there by its expert.
    private static long place(String name) {
        return layer(name) * PLACES + ObservedProducts.expert(name).orElse(-1) + 1;
    }

    private static int layer(String name) {
        return ObservedProducts.layer(name).orElse(HEAD);
    }

    @Override
    public void close() {
        model.close();
    }
}
