// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.StateConfig;
import dev.lockstep.kernels.Tensor;
import java.util.Optional;

/// One rank's part of the layers that keep a state of each sequence, cut by value heads: a rank
/// holds the key heads that its value heads read, so that several ranks may hold a copy. A short
/// convolution has a value head for each unit of channels and no keys.
///
/// A state of a layer is the last inputs of its convolution, `[taps − 1, channels]`, then the
/// matrices of its value heads, all F32.
///
/// @param layers that keep a state
public record StateShard(StateConfig config, int layers, Span keyHeads, Span valueHeads) {

    /// Returns a rank's part; empty if no layer of the model keeps a state.
    public static Optional<StateShard> of(ModelConfig config, Shard shard) {
        return config.stateGroup().map(group -> of(group, shard.rank(), shard.size()));
    }

    /// Returns the part of the only rank.
    ///
    /// @param group of states
    public static StateShard whole(KvGroup group) {
        return of(group, 0, 1);
    }

    private static StateShard of(KvGroup group, int rank, int size) {
        StateConfig state = group.state().orElseThrow();
        int heads =
                switch (state) {
                    case StateConfig.GatedDelta delta -> delta.valueHeads();
                    case StateConfig.Mamba2 mamba -> mamba.heads();
                    case StateConfig.ShortConvolution convolution ->
                            Math.ceilDiv(convolution.channels(), Shard.UNIT);
                };
        if (size > heads) {
            throw new IllegalArgumentException(
                    "tensor-parallel %d: must be at most the %d heads of the layers that keep a state"
                            .formatted(size, heads));
        }
        var values = new Span(share(heads, rank, size), share(heads, rank + 1, size));
        Span keys =
                switch (state) {
                    case StateConfig.GatedDelta delta ->
                            delta.inTurn()
                                    ? readInTurn(values, delta.keyHeads())
                                    : read(values, delta.group());
                    case StateConfig.Mamba2 mamba -> read(values, mamba.group());
                    case StateConfig.ShortConvolution _ -> new Span(0, 0);
                };
        return new StateShard(state, group.layers().size(), keys, values);
    }

    /// Returns the key heads that value heads read, `group` of them each.
    private static Span read(Span values, int group) {
        return new Span(values.from() / group, (values.to() - 1) / group + 1);
    }

    /// Returns the key heads that value heads read in turn: consecutive ones, or all of them.
    private static Span readInTurn(Span values, int keyHeads) {
        int first = values.from() % keyHeads;
        int end = first + values.size();
        return end <= keyHeads ? new Span(first, end) : new Span(0, keyHeads);
    }

    /// Returns the place of the first value head among those of the first key head; where they read
    /// key heads in turn, the key head that it reads.
    public int keyOffset() {
        return switch (config) {
            case StateConfig.GatedDelta delta ->
                    delta.inTurn()
                            ? valueHeads.from() % delta.keyHeads() - keyHeads.from()
                            : valueHeads.from() % delta.group();
            case StateConfig.Mamba2 mamba -> valueHeads.from() % mamba.group();
            case StateConfig.ShortConvolution _ -> 0;
        };
    }

    /// Returns where share `index` of `size` begins: sizes within 1, larger first.
    private static int share(int total, int index, int size) {
        return total / size * index + Math.min(index, total % size);
    }

    /// Returns the columns of the keys of this rank, or of its queries.
    public int keyColumns() {
        return switch (config) {
            case StateConfig.GatedDelta delta -> keyHeads.size() * delta.keySize();
            case StateConfig.Mamba2 mamba -> keyHeads.size() * mamba.stateSize();
            case StateConfig.ShortConvolution _ -> 0;
        };
    }

    /// Returns the columns of this rank's values among those of all ranks.
    public Span values() {
        return switch (config) {
            case StateConfig.GatedDelta delta -> valueHeads.times(delta.valueSize());
            case StateConfig.Mamba2 mamba -> valueHeads.times(mamba.headSize());
            case StateConfig.ShortConvolution convolution ->
                    new Span(
                            valueHeads.from() * Shard.UNIT,
                            Math.min(valueHeads.to() * Shard.UNIT, convolution.channels()));
        };
    }

    /// Returns the channels of the convolution.
    public int channels() {
        return 2 * keyColumns() + values().size();
    }

    /// Returns the floats of the last inputs of a layer's convolution.
    public int inputFloats() {
        return (config.taps() - 1) * channels();
    }

    /// Returns the floats of a layer's state.
    public int layerFloats() {
        return switch (config) {
            case StateConfig.GatedDelta delta -> inputFloats() + values().size() * delta.keySize();
            case StateConfig.Mamba2 mamba -> inputFloats() + values().size() * mamba.stateSize();
            case StateConfig.ShortConvolution _ -> inputFloats();
        };
    }

    /// Returns the last inputs of a layer's convolution, a row per state.
    ///
    /// @param states of all layers, a row per state
    /// @param number of the layer among those that keep a state
    public Tensor inputs(Tensor states, int number) {
        int state = number * layerFloats();
        return states.columns(state, state + inputFloats());
    }

    /// Returns the matrices of a layer, a row per state.
    ///
    /// @param states of all layers, a row per state
    /// @param number of the layer among those that keep a state
    public Tensor matrices(Tensor states, int number) {
        int state = number * layerFloats();
        return states.columns(state + inputFloats(), state + layerFloats());
    }

    /// Returns the floats of a sequence's state in all layers.
    public int floats() {
        return Math.multiplyExact(layers, layerFloats());
    }

    /// Returns the columns that a layer computes a token in.
    public int mixerColumns() {
        return switch (config) {
            case StateConfig.GatedDelta _, StateConfig.Mamba2 _ -> channels() + 2 * values().size();
            case StateConfig.ShortConvolution _ -> 3 * values().size();
        };
    }

    /// Returns the gates of a token.
    public int gateColumns() {
        return switch (config) {
            case StateConfig.GatedDelta _, StateConfig.Mamba2 _ -> 2 * valueHeads.size();
            case StateConfig.ShortConvolution _ -> 0;
        };
    }

    /// Returns the weights of a layer's matrices on this rank, for `hidden` columns.
    long matrixWeights(int hidden) {
        return switch (config) {
            case StateConfig.GatedDelta _, StateConfig.Mamba2 _ ->
                    (long) hidden * (channels() + 2 * values().size() + gateColumns());
            case StateConfig.ShortConvolution _ -> 4L * hidden * values().size();
        };
    }
}
