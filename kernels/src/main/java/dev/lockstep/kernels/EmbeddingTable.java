// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// Rows looked up by token id; created by [Kernels#prepareEmbedding]. On a CPU the table is the
/// mapped checkpoint itself.
public interface EmbeddingTable {
    int rows();

    int columns();

    /// Returns the bytes of device memory used beyond the mapped file.
    long bytes();

    /// Returns whether the table reads the rows from which it was prepared, so that their memory
    /// must stay.
    boolean readsSource();
}
