// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.RotaryTable;

/// One thread's share of attention. Strides are in elements.
///
/// Law 6: the result of a vector (the query of one token and one head) is a function of that query
/// and of its own sequence. Scores are added in ascending dimension, values in ascending token,
/// blocks in ascending order with a running maximum; of q8 keys the scores of each group of
/// dimensions are added from zero and then scaled, and weights are scaled before they multiply q8
/// values; of fp8, queries and results are multiplied by the factors of keys and values. Each
/// segment of the sequence starts from an empty state and is then merged, so that segments may be
/// computed on different threads. A block before the window is not looked up. Every implementation
/// computes the same bits.
interface AttentionOps {
    int SEGMENT_TOKENS = 512;

    /// The most blocks of which a tile holds weights at a time.
    int BLOCKS_AT_ONCE = 4;

    /// Returns the head size padded to whole vectors of 16.
    static int padded(int headSize) {
        return (headSize + VectorLanes.COUNT - 1) / VectorLanes.COUNT * VectorLanes.COUNT;
    }

    /// Returns the floats of one vector's state: its maximum and 15 unused, 16 sums of weights, the
    /// values.
    static int stateFloats(int valueSize) {
        return 2 * VectorLanes.COUNT + padded(valueSize);
    }

    /// Returns the floats of scratch that a thread needs to attend with `vectors` vectors: queries,
    /// weights, factors, two states for each, and a block of keys and values with their scales.
    /// Where values are keys it holds those of as many blocks as are computed at once, as they are
    /// stored.
    static long scratchFloats(int vectors, int headSize, int valueSize) {
        int padded = padded(headSize);
        int weights = BLOCKS_AT_ONCE * (CpuPagedKv.BLOCK + 1);
        int perVector = padded + weights + 2 * stateFloats(valueSize);
        int larger = Math.max(padded, padded(valueSize));
        int block = 2 * CpuPagedKv.BLOCK * (larger + larger / KvLayout.GROUP + 1);
        return (long) vectors * perVector + block;
    }

    /// Rotates queries and keys of tokens `[from, to)`, and stores their keys and values.
    ///
    /// @param positions address of ints, one per token
    void rotateAndStore(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            CpuPagedKv kv,
            int layer,
            KvFactors factors,
            int from,
            int to);

    /// Rotates queries of tokens `[from, to)`.
    ///
    /// @param positions address of ints, one per token
    void rotateQueries(
            CpuAttentionPlan plan,
            HeadGroups heads,
            long qkv,
            long stride,
            RotaryTable rotary,
            long positions,
            int from,
            int to);

    /// Computes one tile: its rows of `out`, or the states of its segment.
    ///
    /// @param next the tile that this thread probably computes next, whose first blocks may be
    ///   asked for; `tile` itself if none
    /// @param sinks address of a float for each query head, 0 for none
    void attend(
            AttentionTile tile,
            AttentionTile next,
            HeadGroups heads,
            long qkv,
            long stride,
            CpuPagedKv kv,
            int layer,
            KvFactors factors,
            long sinks,
            long out,
            long outStride,
            long scratch);

    /// Reads what blocks that hold keys alone have of positions `[from, to)` of a sequence, as rows
    /// of floats: the exact values that were stored.
    ///
    /// @param table address of the block ids of the sequence
    /// @param out address of the row of position `from`
    void readKeys(CpuPagedKv kv, int layer, long table, int from, int to, long out, long stride);

    /// Stores keys and values of positions `[from, to)` of an F32 cache, whose block `1 + i` holds
    /// positions from `16 · i` on. The key of each head is its own part, then what all share.
    ///
    /// @param rows address of the row of position `first`: of each head its part of the key, then
    ///   its value
    /// @param shared address of the shared part of position `first`
    /// @param rest its size
    void storeExpanded(
            long rows,
            long stride,
            long shared,
            long sharedStride,
            int rest,
            CpuPagedKv kv,
            int first,
            int from,
            int to);

    /// Merges the states of all segments into those of the first, and writes rows of `out`.
    void merge(
            AttentionMerge merge,
            HeadGroups heads,
            KvFactors factors,
            long sinks,
            long out,
            long outStride);
}
