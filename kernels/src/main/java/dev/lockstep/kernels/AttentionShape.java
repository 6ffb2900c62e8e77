// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The attention heads of one rank. Query head h reads KV head `kvHeadOf[h]`.
///
/// A rank's heads need not divide evenly (9 query heads on 4 ranks), so the map is explicit.
///
/// @param headSize dimensions of a query and a key
/// @param valueSize dimensions of a value
/// @param scale multiplies q·k
/// @param window how many tokens a token attends to, itself included; [#NO_WINDOW] for all
/// @param ahead how many tokens after itself a token attends to: 0 where attention is causal,
///   [#NO_WINDOW] for all of its sequence
/// @param softCap c in `c · tanh(score / c)`; 0 for none
/// @param chunked whether a token attends from the start of its chunk of `window` tokens instead, a
///   multiple of the block size
public record AttentionShape(
        int[] kvHeadOf,
        int kvHeads,
        int headSize,
        int valueSize,
        float scale,
        int window,
        int ahead,
        float softCap,
        boolean chunked) {
    public static final int NO_WINDOW = Integer.MAX_VALUE;

    public AttentionShape {
        for (int head : kvHeadOf) {
            if (head < 0 || head >= kvHeads) {
                throw new IllegalArgumentException("KV head %d of %d".formatted(head, kvHeads));
            }
        }
        if (window < 1 || ahead < 0 || !(softCap >= 0) || Float.isInfinite(softCap)) {
            throw new IllegalArgumentException(
                    "attention with window %d, %d tokens ahead and soft cap %s"
                            .formatted(window, ahead, softCap));
        }
    }

    /// Creates a shape whose values have the size of keys.
    public AttentionShape(
            int[] kvHeadOf,
            int kvHeads,
            int headSize,
            float scale,
            int window,
            int ahead,
            float softCap,
            boolean chunked) {
        this(kvHeadOf, kvHeads, headSize, headSize, scale, window, ahead, softCap, chunked);
    }

    /// Creates a causal shape without chunks.
    public AttentionShape(
            int[] kvHeadOf, int kvHeads, int headSize, float scale, int window, float softCap) {
        this(kvHeadOf, kvHeads, headSize, scale, window, 0, softCap, false);
    }

    /// Creates a causal shape without a window and without a soft cap.
    public AttentionShape(int[] kvHeadOf, int kvHeads, int headSize, float scale) {
        this(kvHeadOf, kvHeads, headSize, scale, NO_WINDOW, 0);
    }

    /// Throws unless a cache of this layout holds the keys and values of these heads.
    public void requireCache(KvLayout layout) {
        if (kvHeads != layout.kvHeads()
                || headSize != layout.headSize()
                || valueSize != layout.valueSize()) {
            throw new IllegalArgumentException(
                    "attention of %d KV heads of %d, values of %d, over a cache of %d of %d, values of %d"
                            .formatted(
                                    kvHeads,
                                    headSize,
                                    valueSize,
                                    layout.kvHeads(),
                                    layout.headSize(),
                                    layout.valueSize()));
        }
    }

    /// Throws unless chunks begin where blocks do.
    public void requireChunksOf(int blockSize) {
        if (chunked && window % blockSize != 0) {
            throw new IllegalArgumentException(
                    "chunks of %d tokens over blocks of %d".formatted(window, blockSize));
        }
    }

    public int queryHeads() {
        return kvHeadOf.length;
    }

    /// Returns the first position that a token at `position` attends to.
    public int firstSeen(int position) {
        return chunked ? position / window * window : Math.max(0, position + 1 - window);
    }

    /// Returns the last position that a token at `position` attends to.
    ///
    /// @param length of its sequence
    public int lastSeen(int position, int length) {
        return (int) Math.min((long) position + ahead, length - 1L);
    }

    /// Returns the columns of a fused q, k, v row: queries first, then keys, then values unless
    /// they are the keys.
    ///
    /// @param layout of the cache
    public int qkvColumns(KvLayout layout) {
        return queryHeads() * headSize + kvHeads * layout.rowSize();
    }
}
