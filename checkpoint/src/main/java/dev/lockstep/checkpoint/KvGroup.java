// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;

/// A group of layers that keep keys and values in the same way, so that a sequence has one block
/// table for them.
///
/// @param layers ascending layer indices
/// @param window positions a token attends to, its own included; 0 unless `kind` is [Kind#WINDOW]
public record KvGroup(Kind kind, List<Integer> layers, int window) {
    public enum Kind {
        /// Every earlier position is kept.
        FULL,
        /// Only the last `window` positions are kept.
        WINDOW,
        /// A state of fixed size instead of positions.
        STATE
    }

    public KvGroup {
        layers = List.copyOf(layers);
        if (layers.isEmpty()) {
            throw new IllegalArgumentException("a KV group needs at least one layer");
        }
        if ((kind == Kind.WINDOW) != (window > 0)) {
            throw new IllegalArgumentException(
                    "window " + window + " does not fit a " + kind + " group");
        }
    }

    public static KvGroup full(List<Integer> layers) {
        return new KvGroup(Kind.FULL, layers, 0);
    }

    public static KvGroup window(List<Integer> layers, int window) {
        return new KvGroup(Kind.WINDOW, layers, window);
    }
}
