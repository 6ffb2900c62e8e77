// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionShape;
import java.util.List;

/// Adds tiles of single segments, each with the place of its states, and the merges of these
/// states.
final class SegmentTiles {
    private final HeadGroups heads;
    private final List<AttentionTile> tiles;
    private final List<AttentionMerge> merges;
    private final long stateBytes;
    private long next;

    /// Creates an empty set, which adds to `tiles` and `merges`.
    ///
    /// @param states address of the first state
    SegmentTiles(
            HeadGroups heads, List<AttentionTile> tiles, List<AttentionMerge> merges, long states) {
        this.heads = heads;
        this.tiles = tiles;
        this.merges = merges;
        stateBytes = 4L * AttentionOps.stateFloats(heads.shape().valueSize());
        next = states;
    }

    /// Adds the segments of a tile.
    void cut(AttentionTile tile) {
        AttentionShape shape = heads.shape();
        int first = tile.firstSegment(shape);
        int end = tile.lastSegment(shape) + 1;
        long bytes = (long) tile.tokens() * heads.size(tile.kvHead()) * stateBytes;
        merges.add(
                new AttentionMerge(tile.token(), tile.tokens(), tile.kvHead(), end - first, next));
        for (int segment = first; segment < end; segment++) {
            tiles.add(tile.segment(segment, next));
            next += bytes;
        }
    }

    /// Adds the segments that the rows of a group share, each in one tile, and those of each row
    /// alone.
    void add(PrefixGroup group) {
        for (int kvHead = 0; kvHead < heads.shape().kvHeads(); kvHead++) {
            if (heads.size(kvHead) > 0) {
                add(group, kvHead);
            }
        }
    }

    private void add(PrefixGroup group, int kvHead) {
        int rows = group.rows().size();
        int segments = group.segments();
        PrefixGroup.Row first = group.rows().getFirst();
        merges.add(new AttentionMerge(first.token(), rows, kvHead, segments, next));
        long bytesOfRow = heads.size(kvHead) * stateBytes;
        for (int segment = 0; segment < segments; segment++) {
            if (segment < group.shared()) {
                tiles.add(shared(first, rows, kvHead, segment));
                next += rows * bytesOfRow;
                continue;
            }
            for (PrefixGroup.Row row : group.rows()) {
                if (segment < row.segments()) {
                    tiles.add(own(row, kvHead, segment));
                } else {
                    markUnseen(kvHead);
                }
                next += bytesOfRow;
            }
        }
    }

    /// Returns the tile of a segment as if the sequence ended with it, so that every token attends
    /// to all of it and to nothing later.
    private AttentionTile shared(PrefixGroup.Row first, int rows, int kvHead, int segment) {
        int end = (segment + 1) * AttentionOps.SEGMENT_TOKENS;
        return new AttentionTile(
                first.blockTable(), first.token(), rows, end - 1, end, kvHead, segment, next);
    }

    private AttentionTile own(PrefixGroup.Row row, int kvHead, int segment) {
        int position = row.position();
        return new AttentionTile(
                row.blockTable(), row.token(), 1, position, position + 1, kvHead, segment, next);
    }

    /// Nothing else writes these states: the mark lasts for all layers.
    private void markUnseen(int kvHead) {
        for (int head = 0; head < heads.size(kvHead); head++) {
            AllMemory.SEGMENT.set(
                    AllMemory.FLOAT, next + head * stateBytes, Float.NEGATIVE_INFINITY);
        }
    }
}
