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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The inputs that a model's matrices have for some texts.
///
/// Their products take memory by the square of a layer's width, so they are taken for some layers
/// at a time; for the next ones the texts are computed again. Inputs are those of the model as it
/// is, not of the quantized layers before.
final class Calibration implements AutoCloseable {
    /// The layer of what comes after all layers.
    private static final int HEAD = Integer.MAX_VALUE;

    private final CalibrationText text;
    private final long maxBytes;
    private final Terminal terminal;
    private final Kernels kernels;
    private final LocalModel model;

    /// The products of the layers `[firstLayer, endLayer)` by the name of each of their matrices.
    private final Map<String, InputProducts> products = new HashMap<>();

    private final Map<InputProducts, ErrorFeedback> feedbacks = new HashMap<>();
    private int firstLayer;
    private long endLayer;
    private boolean firstWindow;

    /// Loads the model.
    ///
    /// @param maxBytes of products that are kept at a time, unless one layer takes more
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

    /// Returns the feedback for a matrix; empty if its inputs are not seen, as those of experts.
    Optional<ErrorFeedback> of(String name) {
        return products(name).map(each -> feedbacks.computeIfAbsent(each, ErrorFeedback::of));
    }

    /// Returns the products of a matrix's inputs; empty if they are not seen.
    Optional<InputProducts> products(String name) {
        int layer = layer(name);
        if (layer < firstLayer || layer >= endLayer) {
            take(layer);
        }
        return Optional.ofNullable(products.get(name));
    }

    private void take(int layer) {
        products.clear();
        feedbacks.clear();
        firstLayer = layer;
        endLayer = (long) HEAD + 1;
        firstWindow = true;
        int done = 0;
        for (int[] window : text.windows()) {
            model.run(window);
            firstWindow = false;
            terminal.progress(
                    "calibrating from " + (layer == HEAD ? "the head" : "layer " + layer),
                    ++done,
                    text.windows().size());
        }
    }

    private void observe(List<String> weights, Tensor x) {
        int layer = layer(weights.getFirst());
        if (layer < firstLayer || layer >= endLayer) {
            return;
        }
        InputProducts found = products.get(weights.getFirst());
        if (found == null) {
            if (!firstWindow) {
                return;
            }
            if (layer > firstLayer && keptBytes() + needed(x.columns()) > maxBytes) {
                endLayer = layer;
                products.keySet().removeIf(name -> layer(name) >= endLayer);
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

    private static int layer(String name) {
        return ObservedProducts.layer(name).orElse(HEAD);
    }

    @Override
    public void close() {
        model.close();
    }
}
