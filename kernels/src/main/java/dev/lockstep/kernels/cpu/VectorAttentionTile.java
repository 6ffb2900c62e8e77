// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static dev.lockstep.kernels.cpu.CpuPagedKv.BLOCK;
import static dev.lockstep.kernels.cpu.VectorLanes.FLOAT;
import static dev.lockstep.kernels.cpu.VectorLanes.INT;
import static dev.lockstep.kernels.cpu.VectorLanes.MEMORY;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;

/// One [AttentionTile] in one thread's scratch memory: the Java twin of what `attend.cpp` does with
/// a tile.
final class VectorAttentionTile {
    private static final int SEGMENT_BLOCKS = AttentionOps.SEGMENT_TOKENS / BLOCK;

    private final AttentionTile tile;
    private final HeadGroups heads;
    private final CpuPagedKv kv;
    private final KvFactors kvFactors;
    private final int headSize;
    private final int valueSize;
    private final int group;
    private final int vectors;
    private final boolean quantized;
    private final long queryBytes;
    private final long stateBytes;
    private final long kvHead;
    private final long queries;
    private final long weights;
    private final long scaled;
    private final long factors;
    private final long states;
    private final long later;
    private final long wide;
    private final long wideScales;

    VectorAttentionTile(
            AttentionTile tile,
            HeadGroups heads,
            CpuPagedKv kv,
            int layer,
            KvFactors kvFactors,
            long scratch) {
        this.tile = tile;
        this.heads = heads;
        this.kv = kv;
        this.kvFactors = kvFactors;
        headSize = heads.shape().headSize();
        valueSize = heads.shape().valueSize();
        group = heads.size(tile.kvHead());
        vectors = tile.tokens() * group;
        quantized = kv.type() == DType.I8;
        queryBytes = 4L * AttentionOps.padded(headSize);
        stateBytes = 4L * AttentionOps.stateFloats(valueSize);
        kvHead = kv.address(layer, tile.kvHead());
        queries = scratch;
        weights = queries + vectors * queryBytes;
        scaled = weights + vectors * VectorLanes.BYTES;
        factors = scaled + vectors * VectorLanes.BYTES;
        states = factors + vectors * 4L;
        later = states + vectors * stateBytes;
        wide = later + vectors * stateBytes;
        wideScales = wide + 2L * BLOCK * Math.max(headSize, valueSize) * 4;
    }

    void scaleQueries(long qkv, long stride) {
        float scale = heads.shape().scale() * kvFactors.ofKeys(tile.kvHead());
        for (int m = 0; m < vectors; m++) {
            int head = MEMORY.get(INT, heads.address(tile.kvHead()) + m % group * 4L);
            long from = qkv + (tile.token() + m / group) * stride * 4 + (long) head * headSize * 4;
            for (int d = 0; d < headSize; d++) {
                float q = MEMORY.get(FLOAT, from + d * 4L) * scale;
                MEMORY.set(FLOAT, queries + m * queryBytes + d * 4L, q);
            }
        }
    }

    /// Computes the tile's rows of `out` from its whole sequence.
    void computeWhole(long sinks, long out, long outStride) {
        int first = tile.firstSegment(heads.shape());
        computeSegment(first, states);
        for (int segment = first + 1; segment <= tile.lastSegment(heads.shape()); segment++) {
            computeSegment(segment, later);
            for (int m = 0; m < vectors; m++) {
                BlockLoops.mergeState(states + m * stateBytes, later + m * stateBytes, stateBytes);
            }
        }
        var merged = new AttentionMerge(tile.token(), tile.tokens(), tile.kvHead(), 1, states);
        VectorAttentionOps.writeAll(merged, heads, kvFactors, sinks, out, outStride);
    }

    void computeSegment(int segment, long states) {
        for (int m = 0; m < vectors; m++) {
            long state = states + m * stateBytes;
            MEMORY.asSlice(state, stateBytes).fill((byte) 0);
            MEMORY.set(FLOAT, state, Float.NEGATIVE_INFINITY);
        }
        int last =
                Math.min((segment + 1) * SEGMENT_BLOCKS - 1, tile.lastSeen(heads.shape()) / BLOCK);
        int seen = heads.shape().firstSeen(tile.position()) / BLOCK;
        for (int block = Math.max(segment * SEGMENT_BLOCKS, seen); block <= last; block++) {
            addBlock(block, states);
        }
    }

    private void addBlock(int block, long states) {
        long keys = kvHead + MEMORY.get(INT, tile.blockTable() + block * 4L) * kv.blockBytes();
        if (kv.type() != DType.F32) {
            int elements = BLOCK * kv.layout().rowSize();
            BlockLoops.widen(keys, wide, elements, kv.type());
            if (quantized) {
                int scales = elements / KvLayout.GROUP;
                BlockLoops.widen(keys + elements, wideScales, scales, DType.F16);
            }
            keys = wide;
        }
        long values = keys + (long) BLOCK * headSize * 4;
        if (kv.layout().valuesAreKeys()) {
            values = wide + (long) BLOCK * headSize * 4;
            BlockLoops.transpose(keys, values, headSize);
        }
        int first = firstVector(block);
        int end = endVector(block);
        if (quantized) {
            addScaledScores(keys, first, end);
        } else {
            addScores(0, keys, headSize, first, end, weights);
        }
        for (int m = first; m < end; m++) {
            BlockLoops.cap(weight(m), heads.shape().softCap());
            float factor =
                    BlockLoops.weigh(
                            weight(m),
                            seenFrom(m, block),
                            seenTo(m, block),
                            states + m * stateBytes);
            MEMORY.set(FLOAT, factors + m * 4L, factor);
        }
        if (quantized) {
            addScaledValues(values, block, first, end, states);
        } else {
            addValues(weights, values, 0, valueSize, block, first, end, states);
        }
    }

    /// Writes the scores of vectors `[first, end)` over `dimensions` dimensions from `from` on.
    private void addScores(int from, long keys, int dimensions, int first, int end, long out) {
        long rows = keys + (long) from * BLOCK * 4;
        int m = first;
        for (; m + 4 <= end; m += 4) {
            long q = query(m) + from * 4L;
            BlockLoops.scores4(q, queryBytes, rows, dimensions, out + m * VectorLanes.BYTES);
        }
        for (; m < end; m++) {
            long q = query(m) + from * 4L;
            BlockLoops.scores(q, rows, dimensions, out + m * VectorLanes.BYTES);
        }
    }

    private void addScaledScores(long keys, int first, int end) {
        for (int from = 0; from < headSize; from += KvLayout.GROUP) {
            addScores(from, keys, KvLayout.GROUP, first, end, scaled);
            long scales = wideScales + from / KvLayout.GROUP * VectorLanes.BYTES;
            for (int m = first; m < end; m++) {
                long scores = scaled + m * VectorLanes.BYTES;
                BlockLoops.addScaled(scores, scales, from == 0, weight(m));
            }
        }
    }

    private void addScaledValues(long values, int block, int first, int end, long states) {
        int groups = valueSize / KvLayout.GROUP;
        int before = kv.layout().valuesAreKeys() ? 0 : headSize / KvLayout.GROUP;
        for (int g = 0; g < groups; g++) {
            long scales = wideScales + (before + g) * VectorLanes.BYTES;
            for (int m = first; m < end; m++) {
                BlockLoops.multiply(weight(m), scales, scaled + m * VectorLanes.BYTES);
            }
            int column = g * KvLayout.GROUP;
            addValues(scaled, values, column, KvLayout.GROUP, block, first, end, states);
        }
    }

    private void addValues(
            long weights,
            long values,
            int column,
            int columns,
            int block,
            int first,
            int end,
            long states) {
        for (int m = first; m < end; ) {
            int from = seenFrom(m, block);
            int to = seenTo(m, block);
            long sums = states + m * stateBytes + BlockLoops.VALUES + column * 4L;
            long rows = values + ((long) from * valueSize + column) * 4;
            long weight = weights + m * VectorLanes.BYTES + from * 4L;
            long factor = factors + m * 4L;
            if (m + 4 <= end && seenTo(m + 3, block) == to && seenFrom(m + 3, block) == from) {
                BlockLoops.values4(
                        weight, factor, rows, valueSize, columns, to - from, sums, stateBytes);
                m += 4;
            } else {
                BlockLoops.values(weight, factor, rows, valueSize, columns, to - from, sums);
                m++;
            }
        }
    }

    /// Returns the first token of a block that a vector attends to, of `[seenFrom, seenTo)`.
    private int seenFrom(int vector, int block) {
        int position = tile.position() + vector / group;
        return Math.max(0, heads.shape().firstSeen(position) - block * BLOCK);
    }

    private int seenTo(int vector, int block) {
        int position = tile.position() + vector / group;
        return Math.min(BLOCK, heads.shape().lastSeen(position, tile.length()) + 1 - block * BLOCK);
    }

    /// Returns the first vector that attends to any token of a block.
    private int firstVector(int block) {
        long token = (long) block * BLOCK - heads.shape().ahead() - tile.position();
        return (int) Math.max(0, token) * group;
    }

    /// Returns the exclusive end of the vectors that attend to any token of a block.
    private int endVector(int block) {
        long token = (block + 1L) * BLOCK - 1 + heads.shape().window() - tile.position();
        return (int) Math.min(vectors, token * group);
    }

    private long query(int vector) {
        return queries + vector * queryBytes;
    }

    private long weight(int vector) {
        return weights + vector * VectorLanes.BYTES;
    }
}
