package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.RotaryTable;

/// One thread's share of attention. Strides are in elements.
///
/// Law 6: what a vector (a token's query of one head) gets is a function of that query and of its
/// own sequence. Scores are added in ascending dimension, values in ascending token, blocks in
/// ascending order with a running maximum. A segment of the sequence begins afresh and is then
/// merged, so that segments may be computed on different threads. A block before the window is not
/// looked up. Every implementation computes the same bits.
interface AttentionOps {
    int SEGMENT_TOKENS = 512;

    /// The head size as kernels keep it, whole vectors of 16.
    static int padded(int headSize) {
        return (headSize + VectorLanes.COUNT - 1) / VectorLanes.COUNT * VectorLanes.COUNT;
    }

    /// Floats of one vector's state: its maximum and 15 unused, 16 sums of weights, the values.
    static int stateFloats(int headSize) {
        return 2 * VectorLanes.COUNT + padded(headSize);
    }

    /// Floats of scratch a thread needs to attend with `vectors` vectors: queries, weights,
    /// factors, two states for each, and a block of keys and values.
    static long scratchFloats(int vectors, int headSize) {
        int padded = padded(headSize);
        int perVector = padded + VectorLanes.COUNT + 1 + 2 * stateFloats(headSize);
        return (long) vectors * perVector + 2L * CpuPagedKv.BLOCK * (padded + 1);
    }

    /// Rotates queries and keys of tokens `[from, to)`, stores keys and values.
    ///
    /// @param positions address of ints, one a token
    void rotateAndStore(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            CpuPagedKv kv,
            int layer,
            int from,
            int to);

    /// Computes one tile: its rows of `out`, or the states of its segment.
    void attend(
            AttentionTile tile,
            HeadGroups heads,
            long qkv,
            long stride,
            CpuPagedKv kv,
            int layer,
            long out,
            long outStride,
            long scratch);

    /// Merges the states of all segments of a tile, which lie behind those of the first, and writes
    /// its rows of `out`.
    void merge(AttentionTile first, HeadGroups heads, long out, long outStride);
}
