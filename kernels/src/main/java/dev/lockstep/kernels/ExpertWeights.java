// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// This rank's shard of one expert: H inputs and outputs, I columns between them, 0 for an empty
/// shard.
///
/// @param gateUp I gate rows, then I up rows, of H columns
/// @param down H rows of I columns
public record ExpertWeights(PackedWeight gateUp, PackedWeight down) {

    public ExpertWeights {
        if (gateUp.rows() != 2 * down.columns() || gateUp.columns() != down.rows()) {
            throw new IllegalArgumentException(
                    "gate and up are [%d, %d], down [%d, %d] needs [%d, %d]"
                            .formatted(
                                    gateUp.rows(),
                                    gateUp.columns(),
                                    down.rows(),
                                    down.columns(),
                                    2 * down.columns(),
                                    down.rows()));
        }
    }

    public int hiddenSize() {
        return down.rows();
    }

    /// Returns I, the feed-forward columns of this rank.
    public int columns() {
        return down.columns();
    }
}
