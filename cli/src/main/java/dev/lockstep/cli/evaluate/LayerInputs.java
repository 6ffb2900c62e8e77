// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.evaluate;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.ObservedProducts;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// The input of each layer's first matrix product for one text: the residual that enters the layer,
/// after its norm.
final class LayerInputs implements ObservedProducts.Observer {
    private final Kernels kernels;
    private final Map<Integer, float[]> inputs = new TreeMap<>();

    /// @param kernels that compute the observed model
    LayerInputs(Kernels kernels) {
        this.kernels = kernels;
    }

    @Override
    public void product(List<String> weights, Tensor x) {
        ObservedProducts.layer(weights.getFirst())
                .ifPresent(
                        layer ->
                                inputs.computeIfAbsent(
                                        layer, _ -> ObservedProducts.values(kernels, x)));
    }

    /// Returns the inputs by layer and forgets them.
    Map<Integer, float[]> take() {
        Map<Integer, float[]> taken = new TreeMap<>(inputs);
        inputs.clear();
        return taken;
    }

    /// The relative error of each layer's input, `sqrt(Σ (x − y)² / Σ y²)` over all texts, where y
    /// is the reference's.
    static final class Errors {
        private final Map<Integer, double[]> sums = new TreeMap<>();

        void add(Map<Integer, float[]> model, Map<Integer, float[]> reference) {
            reference.forEach(
                    (layer, y) ->
                            Optional.ofNullable(model.get(layer))
                                    .ifPresent(x -> add(sums(layer), x, y)));
        }

        private double[] sums(int layer) {
            return sums.computeIfAbsent(layer, _ -> new double[2]);
        }

        private static void add(double[] sums, float[] x, float[] y) {
            if (x.length != y.length) {
                throw new IllegalArgumentException(
                        "a layer's input has %d values, that of the other model %d"
                                .formatted(x.length, y.length));
            }
            for (int i = 0; i < y.length; i++) {
                double difference = x[i] - y[i];
                sums[0] += difference * difference;
                sums[1] += (double) y[i] * y[i];
            }
        }

        /// Returns the errors by layer.
        Map<Integer, Double> result() {
            Map<Integer, Double> errors = new TreeMap<>();
            sums.forEach((layer, sum) -> errors.put(layer, Math.sqrt(sum[0] / sum[1])));
            return errors;
        }
    }
}
