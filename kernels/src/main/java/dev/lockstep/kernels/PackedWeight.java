// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// A weight in the layout that its kernel reads; created by [Kernels#prepare], usable only with the
/// same [Kernels].
///
/// [Kernels#close] frees it.
public interface PackedWeight {
    /// Returns the number of outputs; 0 for an empty shard.
    int rows();

    /// Returns the number of inputs; 0 for an empty shard, whose product is zero.
    int columns();

    long bytes();
}
