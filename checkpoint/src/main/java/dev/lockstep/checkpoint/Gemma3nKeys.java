// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The keys of Gemma 3n's text model that no other family has.
record Gemma3nKeys(JsonObject config) {
    private static final String TYPE = "gemma3n_text";

    /// What [#renamed] calls the sizes of all layers.
    private static final String SIZES = "intermediate_sizes";

    static boolean isOf(JsonObject config) {
        return config.text("model_type").orElse("").equals(TYPE);
    }

    /// Returns the configuration with one size of feed-forwards, that of the first layer, and every
    /// fifth layer without a window if no key says it.
    JsonObject renamed() {
        ObjectNode node = config.node().deepCopy();
        int layers = config.requireInteger("num_hidden_layers");
        if (node.path("intermediate_size").isArray()) {
            List<Integer> sizes = config.integers("intermediate_size");
            requireOnePerLayer("intermediate_size", sizes.size(), layers);
            node.set(SIZES, node.get("intermediate_size"));
            node.put("intermediate_size", sizes.getFirst());
        }
        if (!config.has("layer_types")) {
            node.put("sliding_window_pattern", 5);
        }
        return new JsonObject(config.file(), config.prefix(), node);
    }

    /// Returns the sizes of feed-forwards that differ from that of the first layer.
    Map<Integer, Integer> feedForwardSizes() {
        return others(config.integers(SIZES));
    }

    /// Returns the sizes of layers that differ from that of the first, by the numbers of the
    /// layers.
    static Map<Integer, Integer> others(List<Integer> sizes) {
        Map<Integer, Integer> others = new HashMap<>();
        for (int layer = 0; layer < sizes.size(); layer++) {
            if (!sizes.get(layer).equals(sizes.getFirst())) {
                others.put(layer, sizes.get(layer));
            }
        }
        return others;
    }

    Optional<AltUpConfig> altUp() {
        return Optional.of(
                new AltUpConfig(
                        config.requireInteger("altup_num_inputs"),
                        config.requireInteger("altup_active_idx"),
                        config.flag("altup_correct_scale").orElse(true),
                        config.requireInteger("laurel_rank"),
                        sparsity(config.requireInteger("num_hidden_layers")).stream()
                                .map(this::deviations)
                                .toList()));
    }

    /// The first ten layers of a model with more are sparse if no key says it.
    private List<Double> sparsity(int layers) {
        List<Double> stated = config.numbers("activation_sparsity_pattern");
        if (!stated.isEmpty()) {
            requireOnePerLayer("activation_sparsity_pattern", stated.size(), layers);
            return stated;
        }
        List<Double> usual = new ArrayList<>(Collections.nCopies(layers, 0.0));
        if (layers > 10) {
            Collections.fill(usual.subList(0, 10), 0.95);
        }
        return usual;
    }

    /// Returns how many standard deviations above their mean gates are kept, if they are normally
    /// distributed.
    ///
    /// @param sparsity the part of the gates that becomes 0
    private double deviations(double sparsity) {
        if (!(sparsity >= 0 && sparsity < 1)) {
            throw config.wrong(
                    "activation_sparsity_pattern", sparsity, "numbers from 0 to below 1");
        }
        return sparsity == 0 ? Double.NEGATIVE_INFINITY : NormalQuantile.of(sparsity);
    }

    private void requireOnePerLayer(String key, int count, int layers) {
        if (count != layers) {
            throw config.wrong(key, count + " entries", layers + ", one per layer");
        }
    }
}
