// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Puts one tensor in the place of the parts of each quantized layer. A layer without such parts is
/// not quantized, whatever the configuration lists.
final class QuantizedTensors {
    /// Scales of activations, which are not quantized here as they are there, and those of keys and
    /// values, see [CacheScales].
    private static final List<String> UNUSED =
            List.of(
                    "input_scale",
                    "input_global_scale",
                    "input_zero_point",
                    "output_scale",
                    "activation_scale",
                    "k_scale",
                    "v_scale",
                    "q_scale",
                    "prob_scale",
                    "k_zero_point",
                    "v_zero_point");

    private QuantizedTensors() {}

    static Map<String, StoredTensor> complete(
            Map<String, StoredTensor> tensors, List<QuantizedFormat> formats) {
        Set<String> used = new HashSet<>();
        Map<String, StoredTensor> layers = new LinkedHashMap<>();
        for (String name : tensors.keySet()) {
            for (QuantizedFormat format : formats) {
                if (!name.endsWith(format.marker()) || used.contains(name)) {
                    continue;
                }
                String layer = name.substring(0, name.length() - format.marker().length());
                var parts = new LayerParts(layer, tensors, used);
                if (format.matches(parts)) {
                    layers.put(layer + format.replaced(), format.layer(parts));
                    used.add(name);
                }
            }
        }
        Map<String, StoredTensor> all = new LinkedHashMap<>();
        tensors.forEach(
                (name, tensor) -> {
                    if (!used.contains(name) && UNUSED.stream().noneMatch(name::endsWith)) {
                        all.put(name, tensor);
                    }
                });
        all.putAll(layers);
        return all;
    }
}
