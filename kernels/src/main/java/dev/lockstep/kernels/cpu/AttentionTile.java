package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionShape;

/// What one thread computes at a time: some tokens of one row, times the query heads of one KV
/// head. Such a pair is called a vector.
///
/// @param blockTable address of the row's block ids
/// @param token the first, counted in the step
/// @param position of the first token in its sequence
/// @param segment of the sequence, or [#WHOLE]
/// @param states where a segment's states go
record AttentionTile(
        long blockTable,
        int token,
        int tokens,
        int position,
        int kvHead,
        int segment,
        long states) {
    static final int WHOLE = -1;

    int lastPosition() {
        return position + tokens - 1;
    }

    /// The first segment that any token of it sees.
    int firstSegment(AttentionShape shape) {
        return shape.firstSeen(position) / AttentionOps.SEGMENT_TOKENS;
    }

    int lastSegment() {
        return lastPosition() / AttentionOps.SEGMENT_TOKENS;
    }

    /// One segment of this tile, whose states go to `states`.
    AttentionTile segment(int segment, long states) {
        return new AttentionTile(blockTable, token, tokens, position, kvHead, segment, states);
    }
}
