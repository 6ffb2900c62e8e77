package dev.lockstep.model.layer;

import dev.lockstep.kernels.AttentionBackend;

/// Where a layer keeps its keys and values, and what attends to them.
///
/// @param index of the layer in its KV group
public record KvLayer(Backend backend, int index) {

    /// Attention of one shape over one KV group; shared by layers.
    ///
    /// @param withoutKv the same for rows that keep nothing: over one layer's keys and values
    public record Backend(AttentionBackend attention, AttentionBackend withoutKv, int group) {}
}
