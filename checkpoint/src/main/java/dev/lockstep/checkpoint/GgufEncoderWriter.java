// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/// A writer of what GGUF metadata say of encoders: see [GgufEncoderReader].
///
/// @param architecture the first part of the keys
record GgufEncoderWriter(GgufHeader header, String architecture) {
    /// The period of windows that readers know of EmbeddingGemma.
    private static final int GEMMA_PERIOD = 6;

    /// Writes what follows the sizes of all models.
    GgufRopeWriter.Written write(ModelConfig config, EncoderConfig encoder) {
        boolean gemma = architecture.equals("gemma-embedding");
        put("feed_forward_length", config.feedForwardSize());
        put("attention.head_count", config.attention().headCount());
        header.put(architecture + ".attention.causal", false);
        if (gemma) {
            put("attention.head_count_kv", config.attention().kvHeadCount());
            put("attention.key_length", config.attention().headDim());
            put("attention.value_length", config.attention().headDim());
        }
        header.put(
                "%s.attention.%s"
                        .formatted(
                                architecture,
                                gemma ? "layer_norm_rms_epsilon" : "layer_norm_epsilon"),
                (float) config.normEpsilon());
        if (encoder.tokenTypes() > 0) {
            header.put("tokenizer.ggml.token_type_count", encoder.tokenTypes());
        }
        boolean hasWindows = windows(config);
        if (architecture.equals("bert")) {
            return new GgufRopeWriter.Written(config.rope(), Map.of());
        }
        if (hasWindows && !config.windowRope().equals(config.rope())) {
            header.put(architecture + ".rope.freq_base_swa", (float) config.windowRope().theta());
        }
        return new GgufRopeWriter(header, architecture)
                .write(config.rope(), config.contextLength());
    }

    /// Writes the window, which a file has for both sides together, and its layers, if there are
    /// some.
    private boolean windows(ModelConfig config) {
        List<Integer> windows =
                IntStream.range(0, config.layerCount())
                        .map(layer -> window(config, layer))
                        .boxed()
                        .toList();
        int window = windows.stream().max(Integer::compare).orElse(0);
        if (window == 0) {
            return false;
        }
        put("attention.sliding_window", 2 * (window - 1));
        String pattern = architecture + ".attention.sliding_window_pattern";
        if (architecture.equals("modern-bert")) {
            int period = windows.subList(1, windows.size()).indexOf(0) + 1;
            header.put(pattern, period == 0 ? windows.size() : period);
            header.put(architecture + ".rope.scaling.type", "none");
            return true;
        }
        List<Boolean> flags = windows.stream().map(each -> each > 0).toList();
        boolean isPeriodic =
                IntStream.range(0, flags.size())
                        .allMatch(i -> flags.get(i) == ((i + 1) % GEMMA_PERIOD != 0));
        if (!isPeriodic) {
            header.putFlags(pattern, flags);
        }
        return true;
    }

    private static int window(ModelConfig config, int layer) {
        return config.kvGroups().stream()
                .filter(group -> group.has(layer))
                .mapToInt(KvGroup::window)
                .findFirst()
                .orElse(0);
    }

    private void put(String name, int value) {
        header.put(architecture + "." + name, value);
    }
}
