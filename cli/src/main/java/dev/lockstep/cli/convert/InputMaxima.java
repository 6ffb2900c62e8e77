// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.cli.console.Terminal;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import dev.lockstep.model.ObservedProducts;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Predicate;

/// The largest magnitudes that a model has for some texts: of each column of the inputs of its
/// matrices, and of the keys and the values of its layers.
final class InputMaxima {
    private static final int SAMPLES = 32;

    private final Map<String, float[]> maxima = new HashMap<>();
    private final Map<String, Cache> caches = new TreeMap<>();

    /// Inputs of [#SAMPLES] tokens, where they were asked for.
    private final Map<String, float[]> samples = new HashMap<>();

    private final Predicate<String> sampled;
    private final int tokens;

    /// The token of all texts with which the window begins.
    private int begun;

    /// What a layer stores.
    ///
    /// @param keys the largest magnitude of them, after rotation
    record Cache(float keys, float values) {}

    /// Computes the texts with a model that is loaded for them.
    ///
    /// @param sampled the matrices of whose inputs some are kept, apart from those of experts
    /// @param kernels of that model, which closes them
    InputMaxima(
            ModelSource source,
            CalibrationText text,
            Predicate<String> sampled,
            Kernels kernels,
            Terminal terminal) {
        this.sampled = sampled;
        this.tokens = text.windows().stream().mapToInt(window -> window.length).sum();
        var observed = new ObservedProducts(kernels, new Observer(kernels));
        try (LocalModel model =
                LocalModel.load(
                        source,
                        observed.kernels(),
                        CalibrationText.WINDOW,
                        LoadSettings.Progress.none())) {
            int done = 0;
            for (int[] window : text.windows()) {
                model.run(window);
                begun += window.length;
                terminal.progress("calibrating", ++done, text.windows().size());
            }
        }
    }

    /// Returns the maxima of a matrix's columns; empty if its inputs are not seen.
    Optional<float[]> of(String name) {
        return Optional.ofNullable(maxima.get(name));
    }

    /// Returns some inputs of a matrix, evenly spaced over the texts.
    float[] samples(String name) {
        return samples.getOrDefault(name, new float[0]);
    }

    /// Returns the largest of a matrix's inputs.
    Optional<Float> largest(String name) {
        return of(name).map(columns -> largest(columns, 0, columns.length));
    }

    /// Returns what the attention of each layer stores, by the names of the attentions.
    Map<String, Cache> caches() {
        return Collections.unmodifiableMap(caches);
    }

    private static float largest(float[] values, int from, int to) {
        float largest = 0;
        for (int i = from; i < to; i++) {
            largest = Math.max(largest, Math.abs(values[i]));
        }
        return largest;
    }

    private final class Observer implements ObservedProducts.Observer {
        private final Kernels kernels;

        Observer(Kernels kernels) {
            this.kernels = kernels;
        }

        @Override
        public void product(List<String> weights, Tensor x) {
            float[] found = maxima.computeIfAbsent(weights.getFirst(), _ -> new float[x.columns()]);
            weights.forEach(name -> maxima.put(name, found));
            float[] values = ObservedProducts.values(kernels, x);
            for (int i = 0; i < values.length; i++) {
                int column = i % found.length;
                found[column] = Math.max(found[column], Math.abs(values[i]));
            }
            weights.stream()
                    .filter(sampled.and(each -> ObservedProducts.expert(each).isEmpty()))
                    .forEach(each -> sample(each, values, x.rows(), x.columns()));
        }

        /// Keeps the inputs of the tokens `i · tokens / SAMPLES` of all texts.
        private void sample(String name, float[] values, int rows, int columns) {
            int count = Math.min(SAMPLES, tokens);
            float[] kept = samples.computeIfAbsent(name, _ -> new float[count * columns]);
            for (int i = 0; i < count; i++) {
                long row = (long) i * tokens / count - begun;
                if (row >= 0 && row < rows) {
                    System.arraycopy(values, (int) row * columns, kept, i * columns, columns);
                }
            }
        }

        @Override
        public void stored(String attention, AttentionShape heads, Tensor qkv) {
            float[] all = ObservedProducts.values(kernels, qkv);
            int size = heads.kvHeads() * heads.headSize();
            int keys = heads.queryHeads() * heads.headSize();
            Cache cache = caches.getOrDefault(attention, new Cache(0, 0));
            float key = cache.keys;
            float value = cache.values;
            for (int row = 0; row < qkv.rows(); row++) {
                int from = row * qkv.columns() + keys;
                key = Math.max(key, largest(all, from, from + size));
                value = Math.max(value, largest(all, from + size, from + 2 * size));
            }
            caches.put(attention, new Cache(key, value));
        }
    }
}
