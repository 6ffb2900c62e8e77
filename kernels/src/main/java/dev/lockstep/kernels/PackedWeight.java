package dev.lockstep.kernels;

/// A weight in the layout its kernel wants; made by [Kernels#prepare], usable only with the same
/// [Kernels].
///
/// [Kernels#close] frees it.
public interface PackedWeight {
    /// Outputs; 0 for an empty shard.
    int rows();

    /// Inputs; 0 for an empty shard, whose product is zero.
    int columns();

    long bytes();
}
