// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionShape;
import java.util.ArrayList;
import java.util.List;

/// Adds the tiles of each row; those of rows that may share segments with others last, when all
/// rows are known.
final class RowTiles {
    /// The vectors of a tile: enough that a block of keys and values is read once for many.
    static final int TILE_VECTORS = 32;

    private final HeadGroups heads;
    private final List<AttentionTile> tiles;
    private final List<PrefixGroup.Row> decoded = new ArrayList<>();

    /// Creates an empty set, which adds to `tiles`.
    RowTiles(HeadGroups heads, List<AttentionTile> tiles) {
        this.heads = heads;
        this.tiles = tiles;
    }

    /// Returns whether every token attends to all tokens before it and to none after it, so that
    /// sequences may share segments.
    static boolean mayShare(HeadGroups heads) {
        AttentionShape shape = heads.shape();
        return shape.window() == AttentionShape.NO_WINDOW
                && !shape.chunked()
                && shape.ahead() == 0
                && tileTokens(heads) > 1;
    }

    /// Adds a row of tokens `[token, end)`, the first of them at `computed` in its sequence.
    ///
    /// @param table address of the row's block ids
    void add(long table, int token, int end, int computed) {
        if (end - token == 1 && computed >= AttentionOps.SEGMENT_TOKENS && mayShare(heads)) {
            decoded.add(new PrefixGroup.Row(table, token, computed));
        } else {
            addChunks(table, token, end, computed);
        }
    }

    /// Adds the tiles of rows that share nothing; returns the groups of the others.
    List<PrefixGroup> addUnshared() {
        var groups = new ArrayList<PrefixGroup>();
        for (PrefixGroup group : PrefixGroup.of(decoded, tileTokens(heads))) {
            if (group.shared() > 0) {
                groups.add(group);
            } else {
                PrefixGroup.Row row = group.rows().getFirst();
                addTiles(row.blockTable(), row.token(), 1, row.position());
            }
        }
        return groups;
    }

    /// Adds the tiles of a row; each chunk counts as a sequence of its own, which begins at the
    /// chunk's first block.
    private void addChunks(long table, int token, int end, int position) {
        if (!heads.shape().chunked()) {
            addTiles(table, token, end - token, position);
            return;
        }
        int size = heads.shape().window();
        for (int from = token; from < end; ) {
            int at = position + from - token;
            int start = at / size * size;
            int count = Math.min(end - from, start + size - at);
            long chunk = table + 4L * (start / CpuPagedKv.BLOCK);
            addTiles(chunk, from, count, at - start);
            from += count;
        }
    }

    private void addTiles(long table, int token, int count, int position) {
        int tileTokens = tileTokens(heads);
        for (int from = 0; from < count; from += tileTokens) {
            for (int kvHead = 0; kvHead < heads.shape().kvHeads(); kvHead++) {
                if (heads.size(kvHead) > 0) {
                    tiles.add(
                            new AttentionTile(
                                    table,
                                    token + from,
                                    Math.min(tileTokens, count - from),
                                    position + from,
                                    position + count,
                                    kvHead,
                                    AttentionTile.WHOLE,
                                    0));
                }
            }
        }
    }

    private static int tileTokens(HeadGroups heads) {
        return Math.max(1, TILE_VECTORS / Math.max(1, heads.largest()));
    }
}
