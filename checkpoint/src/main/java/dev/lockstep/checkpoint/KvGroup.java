// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;

/// A group of layers that keep keys and values in the same way, so that a sequence has one block
/// table for them.
///
/// @param layers ascending layer indices
/// @param window positions a token attends to, its own included; of a chunk where `kind` is
///   [Kind#CHUNK], 0 unless it is one of these two
/// @param state what a layer keeps; present if `kind` is [Kind#STATE]
public record KvGroup(Kind kind, List<Integer> layers, int window, Optional<StateConfig> state) {
    public enum Kind {
        /// Every earlier position is kept.
        FULL,
        /// Only the last `window` positions are kept.
        WINDOW,
        /// Positions are kept from the start of a token's chunk of `window` on.
        CHUNK,
        /// A state of fixed size instead of positions.
        STATE
    }

    public KvGroup {
        layers = List.copyOf(layers);
        if (layers.isEmpty()) {
            throw new IllegalArgumentException("a KV group needs at least one layer");
        }
        if ((kind == Kind.WINDOW || kind == Kind.CHUNK) != (window > 0)) {
            throw new IllegalArgumentException(
                    "window " + window + " does not fit a " + kind + " group");
        }
        if ((kind == Kind.STATE) != state.isPresent()) {
            throw new IllegalArgumentException(
                    "state " + state + " does not fit a " + kind + " group");
        }
    }

    public static KvGroup full(List<Integer> layers) {
        return new KvGroup(Kind.FULL, layers, 0, Optional.empty());
    }

    public static KvGroup window(List<Integer> layers, int window) {
        return new KvGroup(Kind.WINDOW, layers, window, Optional.empty());
    }

    public static KvGroup chunk(List<Integer> layers, int size) {
        return new KvGroup(Kind.CHUNK, layers, size, Optional.empty());
    }

    public static KvGroup state(List<Integer> layers, StateConfig state) {
        return new KvGroup(Kind.STATE, layers, 0, Optional.of(state));
    }

    /// Returns whether the group keeps keys and values of positions, in blocks.
    public boolean isPaged() {
        return kind != Kind.STATE;
    }
}
