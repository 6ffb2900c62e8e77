// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.ObservedProducts;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The largest magnitude of each column of the inputs that a model's matrices have for some texts.
final class InputMaxima {
    private final Map<String, float[]> maxima = new HashMap<>();

    /// Computes the texts with a model that is loaded for them.
    ///
    /// @param kernels of that model, which closes them
    InputMaxima(ModelSource source, CalibrationText text, Kernels kernels, Terminal terminal) {
        var observed = new ObservedProducts(kernels, (weights, x) -> observe(kernels, weights, x));
        try (LocalModel model =
                LocalModel.load(
                        source,
                        observed.kernels(),
                        CalibrationText.WINDOW,
                        LoadSettings.Progress.none())) {
            int done = 0;
            for (int[] window : text.windows()) {
                model.run(window);
                terminal.progress("calibrating", ++done, text.windows().size());
            }
        }
    }

    /// Returns the maxima of a matrix's columns; empty if its inputs are not seen.
    Optional<float[]> of(String name) {
        return Optional.ofNullable(maxima.get(name));
    }

    private void observe(Kernels kernels, List<String> weights, Tensor x) {
        float[] found = maxima.computeIfAbsent(weights.getFirst(), _ -> new float[x.columns()]);
        weights.forEach(name -> maxima.put(name, found));
        float[] values = ObservedProducts.values(kernels, x);
        for (int i = 0; i < values.length; i++) {
            int column = i % found.length;
            found[column] = Math.max(found[column], Math.abs(values[i]));
        }
    }
}
