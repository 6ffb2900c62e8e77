// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.layer;

import dev.lockstep.checkpoint.AltUpConfig;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.model.Span;
import dev.lockstep.model.Weights;
import java.util.List;

/// The alternating updates of a layer (Baykal et al. 2023), whole on every rank; n residuals, of
/// which a is the active one:
///
/// ```
/// m           = tanh(router(norm(x) / H))
/// predicted_j = residual_j + Σ_i prediction(m)_ji · residual_i             with x = residual_a
/// corrected_j = predicted_j + (1 + correction(m)_j) · (x − predicted_a)    with x = computed
/// ```
///
/// @param norm with `weight / H` as its weights
/// @param router `[n, H]`
/// @param prediction `[n · n, n]`
/// @param correction `[n, n]`
/// @param ones `[1, n]`
record AltUp(
        Kernels kernels,
        AltUpConfig config,
        Norm.Rms norm,
        PackedWeight router,
        PackedWeight prediction,
        PackedWeight correction,
        Tensor ones) {

    /// Loads `router_norm`, `modality_router`, `prediction_coefs` and `correction_coefs`.
    static AltUp load(Weights weights, String name) {
        AltUpConfig config = weights.config().details().altUp().orElseThrow();
        int hidden = weights.config().hiddenSize();
        int count = config.count();
        float[] factors = weights.values(name + ".router_norm.weight", hidden, new Span(0, hidden));
        for (int i = 0; i < hidden; i++) {
            factors[i] /= hidden;
        }
        return new AltUp(
                weights.kernels(),
                config,
                new Norm.Rms(
                        weights.kernels(),
                        weights.vector(factors),
                        (float) weights.config().normEpsilon()),
                weights.packWhole(name + ".modality_router", count, hidden),
                weights.packWhole(name + ".prediction_coefs", count * count, count),
                weights.packWhole(name + ".correction_coefs", count, count),
                weights.ones(count));
    }

    /// Predicts every residual.
    void predict(ForwardStep step, List<Tensor> residuals, List<Tensor> predicted) {
        int count = config.count();
        Tensor numbers = step.activations().routerLogits(step.tokens());
        Tensor coefficients = numbers.columns(count, count + count * count);
        Tensor modalities = route(residuals.get(config.active()), numbers, step.x());
        kernels.matmul(modalities, prediction, coefficients);
        for (int j = 0; j < count; j++) {
            kernels.copy(residuals.get(j), predicted.get(j));
            for (int i = 0; i < count; i++) {
                int at = j * count + i;
                Tensor factors = coefficients.columns(at, at + 1);
                kernels.addScaledRows(predicted.get(j), residuals.get(i), factors);
            }
        }
    }

    /// Corrects every residual by the one that was computed.
    ///
    /// @param scratch `[T, H]`
    void correct(
            ForwardStep step,
            Tensor computed,
            List<Tensor> predicted,
            List<Tensor> residuals,
            Tensor scratch) {
        int count = config.count();
        Tensor numbers = step.activations().routerLogits(step.tokens());
        Tensor coefficients = numbers.columns(count, 2 * count);
        kernels.matmul(route(computed, numbers, step.x()), correction, coefficients);
        kernels.add(coefficients, ones);
        Tensor innovation = step.x();
        kernels.copy(predicted.get(config.active()), scratch);
        kernels.scale(scratch, -1);
        kernels.copy(computed, innovation);
        kernels.add(innovation, scratch);
        for (int j = 0; j < count; j++) {
            kernels.copy(predicted.get(j), residuals.get(j));
            Tensor factors = coefficients.columns(j, j + 1);
            kernels.addScaledRows(residuals.get(j), innovation, factors);
        }
    }

    /// Returns m as activations, in the memory of `normed`.
    private Tensor route(Tensor x, Tensor numbers, Tensor normed) {
        Tensor modalities = numbers.columns(0, config.count());
        norm.apply(x, normed);
        kernels.matmul(normed, router, modalities);
        kernels.softCap(modalities, 1);
        Tensor rounded = normed.columns(0, config.count());
        kernels.copy(modalities, rounded);
        return rounded;
    }
}
