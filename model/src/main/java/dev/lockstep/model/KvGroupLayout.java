// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.KvGroup;
import dev.lockstep.kernels.KvLayout;

/// One KV group on one rank.
///
/// @param kind `full`, `window` or `state`, or `none` if nothing is kept from step to step; chunks
///   are windows, which keep as many tokens or more
/// @param window the number of tokens that a token sees at most, itself included; 0 unless `kind`
///   is `window`
public record KvGroupLayout(String kind, int window, KvLayout layout) {

    /// Returns the group of an encoder, which keeps nothing.
    static KvGroupLayout none(KvLayout layout) {
        return new KvGroupLayout("none", 0, layout);
    }

    static KvGroupLayout of(KvGroup group, KvLayout layout) {
        return new KvGroupLayout(group.window() > 0 ? "window" : "full", group.window(), layout);
    }
}
