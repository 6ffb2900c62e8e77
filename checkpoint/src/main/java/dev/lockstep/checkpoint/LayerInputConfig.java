// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

/// The embeddings of a token that each layer has of its own (Gemma 3n 2025).
///
/// @param size of the embedding of one layer
/// @param vocabulary rows of their table; later ids have the row of id 0
public record LayerInputConfig(int size, int vocabulary) {

    public LayerInputConfig {
        ModelConfig.requireBetween("layer input size", size, 1, 1 << 16);
        ModelConfig.requireBetween("layer input vocabulary", vocabulary, 1, 1 << 26);
    }
}
