// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Set;

/// The layers of a mixture of experts that have a single feed-forward.
///
/// @param size their feed-forward size, 0 if there are none
public record DenseLayers(Set<Integer> layers, int size) {

    public DenseLayers {
        layers = Set.copyOf(layers);
        ModelConfig.requireBetween("dense feed-forward size", size, 0, 1 << 24);
        if (layers.isEmpty() != (size == 0)) {
            throw new IllegalArgumentException(
                    "%d dense layers with a feed-forward of %d".formatted(layers.size(), size));
        }
    }

    public static DenseLayers none() {
        return new DenseLayers(Set.of(), 0);
    }
}
