// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The scales with which a checkpoint was calibrated for a cache of FP8: keys and values are
/// divided by them before they are rounded. A scale is that of a layer, or of each of its KV heads.
public final class CacheScales {
    static final CacheScales NONE = new CacheScales(Map.of(), Map.of());

    private static final Pattern NAME =
            Pattern.compile(
                    "(?!mtp\\.)(?:\\w+\\.)*?(?:layers|h|blocks)\\.(\\d{1,6})\\.\\w+\\.(.+)");

    private static final String NAMED = "model.layers.%d.self_attn.%s";

    /// Names in the attention of a layer: those of compressed-tensors, of ModelOpt and of vLLM's
    /// modules, and older ones. `kv_scale` is that of both.
    private static final Set<String> OF_KEYS =
            Set.of(
                    "k_scale",
                    "k_proj.k_scale",
                    "qkv_proj.k_scale",
                    "attn.k_scale",
                    "k_proj.output_scale",
                    "kv_scale");

    private static final Set<String> OF_VALUES =
            Set.of(
                    "v_scale",
                    "v_proj.v_scale",
                    "qkv_proj.v_scale",
                    "attn.v_scale",
                    "v_proj.output_scale");

    private static final List<String> TYPES = List.of("F32", "F16", "BF16");

    /// The scales of a layer, one for each of its KV heads.
    public record OfLayer(float[] keys, float[] values) {}

    private final Map<Integer, StoredTensor> keys;
    private final Map<Integer, StoredTensor> values;

    private CacheScales(Map<Integer, StoredTensor> keys, Map<Integer, StoredTensor> values) {
        this.keys = keys;
        this.values = values;
    }

    /// Finds the scales by their names.
    static CacheScales of(Map<String, StoredTensor> tensors) {
        Map<Integer, StoredTensor> keys = new HashMap<>();
        Map<Integer, StoredTensor> values = new HashMap<>();
        tensors.forEach(
                (name, tensor) -> {
                    Matcher found = NAME.matcher(name);
                    if (found.matches() && OF_KEYS.contains(found.group(2))) {
                        keys.put(Integer.valueOf(found.group(1)), tensor);
                    } else if (found.matches() && OF_VALUES.contains(found.group(2))) {
                        values.put(Integer.valueOf(found.group(1)), tensor);
                    }
                });
        return new CacheScales(keys, values);
    }

    /// Finds the scales that [#tensors] gave in files.
    static CacheScales ofFiles(List<SafetensorsFile> files) {
        Map<String, StoredTensor> all = new HashMap<>();
        files.forEach(file -> all.putAll(file.tensors()));
        return of(all);
    }

    /// Returns the scales by names of which [#of] finds them.
    Map<String, StoredTensor> tensors() {
        Map<String, StoredTensor> all = new TreeMap<>();
        keys.forEach((layer, each) -> all.put(NAMED.formatted(layer, "k_scale"), each));
        values.forEach((layer, each) -> all.put(NAMED.formatted(layer, "v_scale"), each));
        return all;
    }

    /// Returns whether no layer has scales.
    public boolean isEmpty() {
        return keys.isEmpty() && values.isEmpty();
    }

    /// Throws, naming the tensor, unless every layer of the model can use its scales.
    public void requireUsable(ModelConfig config) {
        for (KvGroup group : config.pagedGroups()) {
            int heads = config.attention().of(group).kvHeadCount();
            group.layers().forEach(layer -> ofLayer(layer, heads));
        }
    }

    /// Returns the scales of a layer; empty if the checkpoint has none. If it has those of keys or
    /// of values alone, they are those of both.
    ///
    /// @param heads KV heads of the layer
    public Optional<OfLayer> ofLayer(int layer, int heads) {
        Optional<StoredTensor> key = Optional.ofNullable(keys.get(layer));
        Optional<StoredTensor> value = Optional.ofNullable(values.get(layer)).or(() -> key);
        return value.map(each -> new OfLayer(read(key.orElse(each), heads), read(each, heads)));
    }

    private static float[] read(StoredTensor tensor, int heads) {
        long count = tensor.shape().stream().reduce(1L, (a, b) -> a * b);
        if (count != 1 && count != heads) {
            throw wrong(tensor, "shape " + tensor.shape(), "one scale or " + heads);
        }
        if (!TYPES.contains(tensor.typeName())) {
            throw wrong(tensor, "type " + tensor.typeName(), "one of " + TYPES);
        }
        FloatRows stored = LayerParts.floats(tensor);
        float[] scales = new float[heads];
        for (int head = 0; head < heads; head++) {
            scales[head] = stored.at(count == 1 ? 0 : head);
            if (!(scales[head] > 0) || Float.isInfinite(scales[head])) {
                throw wrong(tensor, "the value " + scales[head], "scales above 0");
            }
        }
        return scales;
    }

    private static CheckpointException wrong(StoredTensor tensor, String what, String needed) {
        return new CheckpointException(
                "%s: tensor %s has %s, an FP8 cache needs %s: use another --kv-dtype"
                        .formatted(tensor.file(), tensor.storedName(), what, needed));
    }
}
