// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A reader of what only Gemma 3n and Gemma 4 have in GGUF metadata: layers that read keys and
/// values of earlier ones, other heads without a window, feed-forwards of several sizes, embeddings
/// of each layer, and several residuals.
///
/// @param tensors by their Hugging Face names
record GgufGemmaReader(ArchitectureKeys keys, Map<String, StoredTensor> tensors) {
    /// Layers with keys and values of their own in files of Gemma 3n that do not say it.
    private static final int KEEPING_LAYERS = 20;

    /// Returns whether the file is one of them.
    boolean applies() {
        return isGemma3n() || isGemma4();
    }

    private boolean isGemma3n() {
        return keys.architecture().equals("gemma3n");
    }

    private boolean isGemma4() {
        return keys.architecture().equals("gemma4");
    }

    /// Returns how many of the last layers read keys and values of earlier ones.
    int kvReaders(int layers) {
        if (!applies()) {
            return 0;
        }
        int absent = isGemma3n() ? Math.max(0, layers - KEEPING_LAYERS) : 0;
        int readers = keys.size("attention.shared_kv_layers").orElse(absent);
        if (readers >= layers) {
            throw keys.wrong(
                    "attention.shared_kv_layers",
                    readers,
                    "less than the %d layers".formatted(layers));
        }
        return readers;
    }

    /// Returns the heads of Gemma 4, whose layers with a window and without one differ; empty for
    /// other models.
    ///
    /// @param windows of the layers, 0 for those without
    Optional<AttentionConfig> attention(int heads, List<Integer> windows) {
        if (!isGemma4()) {
            return Optional.empty();
        }
        int size = keys.requireSize("attention.key_length", 1 << 16);
        int windowSize = keys.size("attention.key_length_swa").orElse(size);
        requireSame("attention.value_length", size);
        requireSame("attention.value_length_swa", windowSize);
        List<Integer> kvHeads = perLayer("attention.head_count_kv", windows.size());
        int full = common(kvHeads, windows, false);
        int windowed = common(kvHeads, windows, true);
        for (int count : List.of(full, windowed)) {
            if (count < 1 || heads % count != 0) {
                throw keys.wrong(
                        "attention.head_count_kv", count, "a divisor of the " + heads + " heads");
            }
        }
        return Optional.of(
                new AttentionConfig(
                        heads,
                        windowed,
                        windowSize,
                        false,
                        false,
                        Optional.of(new AttentionConfig.FullHeads(full, size)),
                        Optional.empty()));
    }

    private void requireSame(String name, int size) {
        int other = keys.size(name).orElse(size);
        if (other != size) {
            throw keys.wrong(name, other, size + ", the size of a key");
        }
    }

    /// Returns the KV heads of all layers of a kind, or of the others if there are none.
    private int common(List<Integer> kvHeads, List<Integer> windows, boolean windowed) {
        List<Integer> own = new ArrayList<>();
        for (int layer = 0; layer < windows.size(); layer++) {
            if (windows.get(layer) > 0 == windowed) {
                own.add(kvHeads.get(layer));
            }
        }
        List<Integer> counts = own.stream().distinct().toList();
        if (counts.size() > 1) {
            throw keys.wrong(
                    "attention.head_count_kv",
                    kvHeads,
                    "one number for all layers with a window, and one for the others");
        }
        return counts.isEmpty() ? kvHeads.getFirst() : counts.getFirst();
    }

    /// Returns the feed-forward size of each layer: one for all, unless the key is a list.
    List<Integer> feedForwards(int layers) {
        return perLayer("feed_forward_length", layers);
    }

    /// Returns the sizes of feed-forwards that differ from that of the first layer.
    Map<Integer, Integer> feedForwardSizes(int layers) {
        return Gemma3nKeys.others(feedForwards(layers));
    }

    private List<Integer> perLayer(String name, int layers) {
        String key = keys.key(name);
        List<Integer> values = new ArrayList<>();
        if (keys.metadata().isArray(key)) {
            for (int each : keys.metadata().integers(key).orElseThrow()) {
                values.add(each);
            }
            requireOnePerLayer(name, values.size(), layers);
            return values;
        }
        int one = keys.requireSize(name, 1 << 24);
        for (int layer = 0; layer < layers; layer++) {
            values.add(one);
        }
        return values;
    }

    private void requireOnePerLayer(String name, int count, int layers) {
        if (count != layers) {
            throw keys.wrong(name, count + " entries", layers + ", one per layer");
        }
    }

    Optional<LayerInputConfig> layerInputs() {
        String name = "embedding_length_per_layer_input";
        int size = applies() ? keys.size(name).orElse(0) : 0;
        if (size == 0) {
            return Optional.empty();
        }
        StoredTensor table = tensors.get("model.embed_tokens_per_layer.weight");
        if (table == null) {
            throw keys.wrong(name, size, "0 in a file without per_layer_token_embd.weight");
        }
        return Optional.of(new LayerInputConfig(size, Math.toIntExact(table.shape().getFirst())));
    }

    /// Returns the residuals of Gemma 3n. The rank of LAuReL has no key, its matrices show it.
    Optional<AltUpConfig> altUp(int layers) {
        if (!isGemma3n()) {
            return Optional.empty();
        }
        StoredTensor left = tensors.get("model.layers.0.laurel.linear_left.weight");
        if (left == null) {
            throw new CheckpointException(
                    "%s: tensor blk.0.laurel_l.weight is missing"
                            .formatted(keys.metadata().path()));
        }
        float[] scales =
                keys.metadata()
                        .floats(keys.key("activation_sparsity_scale"))
                        .orElseThrow(() -> keys.missing("activation_sparsity_scale"));
        requireOnePerLayer("activation_sparsity_scale", scales.length, layers);
        List<Double> deviations = new ArrayList<>();
        for (float each : scales) {
            deviations.add(Double.parseDouble(Float.toString(each)));
        }
        return Optional.of(
                new AltUpConfig(
                        keys.requireSize("altup.num_inputs", 64),
                        keys.size("altup.active_idx").orElse(0),
                        tensors.containsKey("model.layers.0.altup.correct_output_scale"),
                        Math.toIntExact(left.shape().getFirst()),
                        deviations));
    }
}
