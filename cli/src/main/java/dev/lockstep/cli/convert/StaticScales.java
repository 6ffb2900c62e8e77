// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.model.ObservedProducts;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/// Scales of FP8 that are fixed when a model is converted: what is divided by one has magnitudes up
/// to the largest of E4M3 for the texts of the calibration.
///
/// @param experts of a layer
record StaticScales(InputMaxima maxima, int experts) {
    private static final float LARGEST = 448;

    /// Returns the scale of a matrix's inputs. An expert that no token chose has that of the
    /// largest input of the same matrices of the other experts.
    ///
    /// @throws UnusableException if the inputs are not seen
    float ofInput(String name) {
        return scale(
                maxima.largest(name)
                        .or(() -> ofOtherExperts(name))
                        .orElseThrow(
                                () ->
                                        new UnusableException(
                                                "--static-activations: the inputs of %s are not observed: leave it as it is by --keep"
                                                        .formatted(name))));
    }

    /// Returns whether the texts have inputs of a matrix.
    boolean hasSeen(String name) {
        return maxima.of(name).isPresent();
    }

    private Optional<Float> ofOtherExperts(String name) {
        int own = ObservedProducts.expert(name).orElse(-1);
        return own < 0
                ? Optional.empty()
                : IntStream.range(0, experts)
                        .mapToObj(
                                i ->
                                        name.replace(
                                                ".experts.%d.".formatted(own),
                                                ".experts.%d.".formatted(i)))
                        .flatMap(each -> maxima.largest(each).stream())
                        .max(Float::compare);
    }

    /// Returns the scales of keys and values by the names of the tensors that hold them.
    Map<String, Float> ofCaches() {
        Map<String, Float> scales = new LinkedHashMap<>();
        maxima.caches()
                .forEach(
                        (attention, cache) -> {
                            scales.put(attention + ".k_scale", scale(cache.keys()));
                            scales.put(attention + ".v_scale", scale(cache.values()));
                        });
        return scales;
    }

    private static float scale(float largest) {
        return largest == 0 ? 1 : largest / LARGEST;
    }
}
