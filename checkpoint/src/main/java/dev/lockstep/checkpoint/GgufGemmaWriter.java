// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/// A writer of what only Gemma 3n and Gemma 4 have in GGUF metadata, as [GgufGemmaReader] reads it.
///
/// @param architecture the first part of the keys
record GgufGemmaWriter(GgufHeader header, String architecture) {
    private static final String GEMMA_4 = "gemma4";

    static boolean isOf(String architecture) {
        return architecture.equals("gemma3n") || architecture.equals(GEMMA_4);
    }

    /// Writes the sizes of heads and feed-forwards, windows, and parts of their own.
    void write(ModelConfig config) {
        DecoderDetails details = config.details();
        int readers = config.pagedGroups().stream().mapToInt(each -> each.readers().size()).sum();
        header.put(key("attention.shared_kv_layers"), readers);
        header.putFlags(
                key("attention.sliding_window_pattern"),
                perLayer(config, layer -> config.window(layer).isPresent()));
        header.put(
                key("embedding_length_per_layer_input"),
                details.layerInputs().map(LayerInputConfig::size).orElse(0));
        List<Integer> sizes =
                perLayer(
                        config,
                        layer ->
                                details.experts()
                                        .map(ExpertConfig::sharedSize)
                                        .orElse(config.feedForwardSize(layer)));
        putOneOrAll("feed_forward_length", sizes);
        header.put(key("attention.head_count"), config.attention().headCount());
        heads(config);
        header.put(key("rope.freq_base_swa"), (float) config.windowRope().theta());
        details.altUp().ifPresent(this::write);
    }

    private void heads(ModelConfig config) {
        int size = config.attention().largestHead();
        if (architecture.equals(GEMMA_4)) {
            AttentionConfig windowed = config.attention();
            size = windowed.full().map(AttentionConfig.FullHeads::headDim).orElse(size);
            putOneOrAll(
                    "attention.head_count_kv",
                    perLayer(config, layer -> config.attention(layer).kvHeadCount()));
            header.put(key("attention.key_length_swa"), windowed.headDim());
            header.put(key("attention.value_length_swa"), windowed.headDim());
            header.put(key("rope.dimension_count_swa"), config.windowRope().rotaryDim());
        } else {
            header.put(key("attention.head_count_kv"), config.attention().kvHeadCount());
        }
        header.put(key("attention.key_length"), size);
        header.put(key("attention.value_length"), size);
    }

    private void write(AltUpConfig altUp) {
        header.put(key("altup.num_inputs"), altUp.count());
        header.put(key("altup.active_idx"), altUp.active());
        header.putFloats(
                key("activation_sparsity_scale"),
                altUp.deviations().stream().map(Double::floatValue).toList());
    }

    private void putOneOrAll(String name, List<Integer> values) {
        if (values.stream().distinct().count() == 1) {
            header.put(key(name), values.getFirst());
        } else {
            header.putIntegers(key(name), values);
        }
    }

    private static <T> List<T> perLayer(ModelConfig config, IntFunction<T> value) {
        return IntStream.range(0, config.layerCount()).mapToObj(value).toList();
    }

    private String key(String name) {
        return architecture + "." + name;
    }
}
