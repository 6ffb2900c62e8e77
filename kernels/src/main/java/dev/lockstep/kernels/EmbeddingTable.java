package dev.lockstep.kernels;

/// Rows looked up by token id; made by [Kernels#prepareEmbedding]. On a CPU it is the mapped
/// checkpoint itself.
public interface EmbeddingTable {
    int rows();

    int columns();

    /// Device memory it takes beyond the mapped file.
    long bytes();
}
