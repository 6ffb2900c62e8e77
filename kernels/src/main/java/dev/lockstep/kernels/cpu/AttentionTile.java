// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionShape;

/// The unit of work of one thread: some tokens of one row, times the query heads of one KV head; or
/// one segment that several rows of one token share. A pair of a token and a query head is called a
/// vector.
///
/// @param blockTable address of the row's block ids, or of those of the first row
/// @param token the index of the first token in the step
/// @param position of the first token in its sequence; of a shared segment the last in it
/// @param length tokens of the sequence, up to the end of its row or of a shared segment
/// @param segment the segment of the sequence, or [#WHOLE]
/// @param states address of the segment's states
record AttentionTile(
        long blockTable,
        int token,
        int tokens,
        int position,
        int length,
        int kvHead,
        int segment,
        long states) {
    static final int WHOLE = -1;

    int lastPosition() {
        return position + tokens - 1;
    }

    /// Returns the last position that any token of the tile attends to.
    int lastSeen(AttentionShape shape) {
        return shape.lastSeen(lastPosition(), length);
    }

    /// Returns the first segment that any token of the tile attends to.
    int firstSegment(AttentionShape shape) {
        return shape.firstSeen(position) / AttentionOps.SEGMENT_TOKENS;
    }

    /// Returns the first block that is read of the sequence, or of the segment.
    int firstBlock(AttentionShape shape) {
        int seen = shape.firstSeen(position);
        int begin = segment == WHOLE ? 0 : segment * AttentionOps.SEGMENT_TOKENS;
        return Math.max(seen, begin) / CpuPagedKv.BLOCK;
    }

    /// Returns the last segment that any token of the tile attends to.
    int lastSegment(AttentionShape shape) {
        return lastSeen(shape) / AttentionOps.SEGMENT_TOKENS;
    }

    /// Returns one segment of this tile, with its states at `states`.
    AttentionTile segment(int segment, long states) {
        return new AttentionTile(
                blockTable, token, tokens, position, length, kvHead, segment, states);
    }
}
