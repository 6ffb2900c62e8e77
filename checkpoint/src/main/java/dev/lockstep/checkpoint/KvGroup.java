// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/// A group of layers that keep keys and values in the same way, so that a sequence has one block
/// table for them.
///
/// @param layers ascending layer indices
/// @param readers ascending indices of later layers that keep nothing themselves: they read the
///   keys and values of the last of `layers`
/// @param window positions a token attends to, its own included; of a chunk where `kind` is
///   [Kind#CHUNK], 0 unless it is one of these two
/// @param state what a layer keeps; present if `kind` is [Kind#STATE]
public record KvGroup(
        Kind kind,
        List<Integer> layers,
        List<Integer> readers,
        int window,
        Optional<StateConfig> state) {
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
        readers = List.copyOf(readers);
        if (layers.isEmpty()) {
            throw new IllegalArgumentException("a KV group needs at least one layer");
        }
        if ((kind == Kind.WINDOW || kind == Kind.CHUNK) != (window > 0)) {
            throw new IllegalArgumentException(
                    "window " + window + " does not fit a " + kind + " group");
        }
        if (!readers.isEmpty() && readers.getFirst() < layers.getLast()) {
            throw new IllegalArgumentException(
                    "layer %d reads keys and values of layer %d"
                            .formatted(readers.getFirst(), layers.getLast()));
        }
        if ((kind == Kind.STATE) != state.isPresent()) {
            throw new IllegalArgumentException(
                    "state " + state + " does not fit a " + kind + " group");
        }
    }

    public static KvGroup full(List<Integer> layers) {
        return new KvGroup(Kind.FULL, layers, List.of(), 0, Optional.empty());
    }

    public static KvGroup window(List<Integer> layers, int window) {
        return new KvGroup(Kind.WINDOW, layers, List.of(), window, Optional.empty());
    }

    public static KvGroup chunk(List<Integer> layers, int size) {
        return new KvGroup(Kind.CHUNK, layers, List.of(), size, Optional.empty());
    }

    public static KvGroup state(List<Integer> layers, StateConfig state) {
        return new KvGroup(Kind.STATE, layers, List.of(), 0, Optional.of(state));
    }

    /// Returns this group with layers that read keys and values of its last one.
    KvGroup withReaders(List<Integer> added) {
        return new KvGroup(kind, layers, added, window, state);
    }

    /// Returns every layer of the group, those that read included.
    List<Integer> all() {
        return Stream.concat(layers.stream(), readers.stream()).toList();
    }

    /// Returns whether a layer keeps or reads what this group keeps.
    public boolean has(int layer) {
        return layers.contains(layer) || readers.contains(layer);
    }

    /// Returns which of the kept layers a layer attends to: its own, or the last one.
    public int keptLayer(int layer) {
        return readers.contains(layer) ? layers.size() - 1 : layers.indexOf(layer);
    }

    /// Returns whether the group keeps keys and values of positions, in blocks.
    public boolean isPaged() {
        return kind != Kind.STATE;
    }
}
