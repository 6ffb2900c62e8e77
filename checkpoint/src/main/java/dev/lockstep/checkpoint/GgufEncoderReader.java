// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/// A reader of what GGUF metadata and tensors say of encoders.
///
/// @param tensors by their Hugging Face names
record GgufEncoderReader(ArchitectureKeys keys, Map<String, StoredTensor> tensors) {
    private static final Set<String> ENCODERS =
            Set.of("bert", "gemma-embedding", "modern-bert", "nomic-bert");
    private static final String CAUSAL = "attention.causal";
    private static final String TYPES = "embeddings.token_type_embeddings.weight";

    private boolean isEncoder() {
        return ENCODERS.contains(keys.architecture());
    }

    /// Returns the encoder; empty for a decoder. Positions of padding are not in the files.
    ///
    /// @throws CheckpointException if tokens attend in another direction than the architecture's
    Optional<EncoderConfig> encoder() {
        boolean causal = keys.flag(CAUSAL, !isEncoder());
        if (causal == isEncoder()) {
            throw keys.wrong(
                    CAUSAL, causal, !causal + " in the architecture " + keys.architecture());
        }
        StoredTensor types = tensors.get(TYPES);
        return isEncoder()
                ? Optional.of(
                        new EncoderConfig(
                                types == null ? 0 : Math.toIntExact(types.shape().getFirst()), 0))
                : Optional.empty();
    }

    /// Returns the window on one side, the token itself included, of what a file has for both.
    int window(int stored) {
        return isEncoder() && stored > 0 ? stored / 2 + 1 : stored;
    }

    /// Returns the layers of a period whose first one has no window; empty for other architectures,
    /// where it is the last one.
    Optional<LayerTypes> layerTypes(int layers, int window, int period) {
        return keys.architecture().equals("modern-bert") && period > 0
                ? Optional.of(
                        new LayerTypes(
                                IntStream.range(0, layers)
                                        .mapToObj(layer -> layer % period == 0 ? 0 : window)
                                        .toList()))
                : Optional.empty();
    }
}
