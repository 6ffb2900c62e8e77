// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.IndexException;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/// The planner that cuts a step into tiles for threads to share evenly, and looks up where each
/// token is stored.
///
/// A single tile may be most of the step (one long sequence, few heads): such a tile is cut into
/// the segments of its sequence. Segments that several sequences read from the same blocks are
/// computed in one tile for all of them. Neither changes a result (law 6).
final class AttentionPlanner implements AutoCloseable {
    private static final Comparator<AttentionTile> MOST_WORK_FIRST =
            Comparator.comparingInt(AttentionTile::tokens)
                    .thenComparingInt(AttentionTile::position)
                    .reversed();

    private final CpuAttention owner;
    private final HeadGroups heads;
    private final int threads;
    private final GrowingMemory places;
    private final GrowingMemory states;
    private int minBlock;
    private int maxBlock;
    private long minAddress;
    private long maxAddress;

    AttentionPlanner(CpuAttention owner, HeadGroups heads, int threads, CpuMemory memory) {
        this.owner = owner;
        this.heads = heads;
        this.threads = threads;
        places = new GrowingMemory(memory);
        states = new GrowingMemory(memory);
    }

    /// Returns the maximum number of vectors of a tile.
    static int maxVectors(HeadGroups heads) {
        return Math.max(RowTiles.TILE_VECTORS, heads.largest());
    }

    /// Returns what a step needs: the place of each token, and the states of the tiles that are cut
    /// and of the groups. Less than twice as many tiles as threads have more than half a thread's
    /// share of the work.
    List<ScratchNeed> scratchNeeds(int maxTokens, int maxPositions) {
        long vectors = (long) maxTokens * heads.shape().queryHeads();
        long cut = (2L * threads - 1) * maxVectors(heads);
        int segments = Math.ceilDiv(maxPositions, AttentionOps.SEGMENT_TOKENS);
        long ofCut = threads == 1 ? 0 : Math.min(vectors, cut) * segments;
        long ofGroups =
                RowTiles.mayShare(heads)
                        ? heads.shape().queryHeads()
                                * Math.min((long) maxTokens * segments, PrefixGroup.MOST_STATES)
                        : 0;
        long floats =
                segments == 1
                        ? 0
                        : (ofCut + ofGroups) * AttentionOps.stateFloats(heads.shape().valueSize());
        return List.of(
                new ScratchNeed(places, 8L * Math.max(1, maxTokens)),
                new ScratchNeed(states, 4 * floats));
    }

    CpuAttentionPlan plan(PagedBatch batch) {
        long blocks = places.atLeast(8L * Math.max(1, batch.tokens()));
        long offsets = blocks + 4L * batch.tokens();
        var tiles = new ArrayList<AttentionTile>();
        var rowTiles = new RowTiles(heads, tiles);
        minBlock = Integer.MAX_VALUE;
        maxBlock = Integer.MIN_VALUE;
        var expanded = new ArrayList<CpuAttentionPlan.ExpandedRow>();
        int token = 0;
        int padding = 0;
        requireStart(batch, element(batch.rowStarts(), 0));
        for (int row = 0; row < batch.rows(); row++) {
            int end = element(batch.rowStarts(), row + 1);
            int computed = element(batch.computed(), row);
            int line = element(batch.lines(), row);
            requireRow(batch, row, token, end, computed, line);
            requireWhole(row, computed);
            if (line == PagedBatch.PADDING) {
                skip(token, end, blocks);
                padding += end - token;
            } else if (token < end) {
                Tensor tables = batch.blockTable();
                long table = tables.pointer().address() + 4L * line * tables.stride();
                lookUp(table, token, end, computed, blocks, offsets);
                if (row < batch.expandedRows()) {
                    expanded.add(
                            new CpuAttentionPlan.ExpandedRow(table, token, end - token, computed));
                } else {
                    rowTiles.add(table, token, end, computed);
                }
            }
            token = end;
        }
        requireEnd(batch, token);
        requireExpanded(batch, expanded);
        List<PrefixGroup> groups = rowTiles.addUnshared();
        long work = work(tiles, groups);
        List<AttentionMerge> merges = addSegments(tiles, groups, work);
        tiles.sort(MOST_WORK_FIRST);
        return new CpuAttentionPlan(
                owner,
                batch,
                tiles,
                merges,
                blocks,
                offsets,
                expanded,
                padding,
                work,
                floats(merges),
                entry(batch.blockTable(), minBlock, minAddress),
                entry(batch.blockTable(), maxBlock, maxAddress));
    }

    @Override
    public void close() {
        places.close();
        states.close();
    }

    /// Looks up where the tokens of a row are stored, and the range of blocks that the row reads.
    private void lookUp(long table, int token, int end, int computed, long blocks, long offsets) {
        int last = computed + end - token - 1;
        int first = heads.shape().firstSeen(computed);
        for (int i = first / CpuPagedKv.BLOCK; i <= last / CpuPagedKv.BLOCK; i++) {
            int block = at(table, i);
            if (block < minBlock) {
                minBlock = block;
                minAddress = table + 4L * i;
            }
            if (block > maxBlock) {
                maxBlock = block;
                maxAddress = table + 4L * i;
            }
        }
        for (int t = token; t < end; t++) {
            int position = computed + t - token;
            put(blocks + 4L * t, at(table, position / CpuPagedKv.BLOCK));
            put(offsets + 4L * t, position % CpuPagedKv.BLOCK);
        }
    }

    private static CpuAttentionPlan.Entry entry(Tensor table, int block, long address) {
        long at = (address - table.pointer().address()) / 4;
        int stride = Math.max(1, table.stride());
        return new CpuAttentionPlan.Entry(block, at / stride * table.columns() + at % stride);
    }

    private static void skip(int token, int end, long blocks) {
        for (int t = token; t < end; t++) {
            put(blocks + 4L * t, PagedBatch.PADDING);
        }
    }

    /// Replaces each tile of more than half a thread's share by its segments, and adds those of the
    /// groups; returns the merges of both.
    private List<AttentionMerge> addSegments(
            List<AttentionTile> tiles, List<PrefixGroup> groups, long work) {
        var large = new ArrayList<AttentionTile>();
        long count = 0;
        for (AttentionTile tile : tiles) {
            int segments = tile.lastSegment(heads.shape()) - tile.firstSegment(heads.shape()) + 1;
            if (threads > 1 && segments > 1 && work(tile) * threads * 2 > work) {
                large.add(tile);
                count += segments * vectors(tile);
            }
        }
        for (PrefixGroup group : groups) {
            count += (long) group.states() * heads.shape().queryHeads();
        }
        tiles.removeAll(large);
        var merges = new ArrayList<AttentionMerge>();
        long bytes = 4 * count * AttentionOps.stateFloats(heads.shape().valueSize());
        var segmentTiles = new SegmentTiles(heads, tiles, merges, states.atLeast(bytes));
        large.forEach(segmentTiles::cut);
        groups.forEach(segmentTiles::add);
        return merges;
    }

    private long floats(List<AttentionMerge> merges) {
        long states = 0;
        for (AttentionMerge merge : merges) {
            states += (long) merge.segments() * merge.tokens() * heads.size(merge.kvHead());
        }
        return states * AttentionOps.stateFloats(heads.shape().valueSize());
    }

    private long vectors(AttentionTile tile) {
        return (long) tile.tokens() * heads.size(tile.kvHead());
    }

    private long work(List<AttentionTile> tiles, List<PrefixGroup> groups) {
        long work = 0;
        for (AttentionTile tile : tiles) {
            work += work(tile);
        }
        for (PrefixGroup group : groups) {
            for (PrefixGroup.Row row : group.rows()) {
                work += work(heads.shape().queryHeads(), row.position() + 1);
            }
        }
        return work;
    }

    private long work(AttentionTile tile) {
        int seen = tile.lastSeen(heads.shape()) + 1 - heads.shape().firstSeen(tile.position());
        return work(vectors(tile), seen);
    }

    private long work(long vectors, int seen) {
        return vectors * seen * (heads.shape().headSize() + heads.shape().valueSize());
    }

    private static void requireStart(PagedBatch batch, int start) {
        if (start != 0) {
            throw new IllegalArgumentException(
                    "rows begin at token %d of %d".formatted(start, batch.tokens()));
        }
    }

    private static void requireEnd(PagedBatch batch, int end) {
        if (end != batch.tokens()) {
            throw new IllegalArgumentException(
                    "rows end at token %d of %d".formatted(end, batch.tokens()));
        }
    }

    private static void requireExpanded(PagedBatch batch, List<CpuAttentionPlan.ExpandedRow> rows) {
        int tokens = rows.stream().mapToInt(CpuAttentionPlan.ExpandedRow::tokens).sum();
        if (tokens != batch.expandedTokens()) {
            throw new IllegalArgumentException(
                    "expanded rows have %d tokens, not %d"
                            .formatted(tokens, batch.expandedTokens()));
        }
    }

    private static void requireRow(
            PagedBatch batch, int row, int token, int end, int computed, int line) {
        if (end < token || end > batch.tokens() || computed < 0) {
            throw new IllegalArgumentException(
                    "row %d: tokens [%d, %d) of %d after %d computed"
                            .formatted(row, token, end, batch.tokens(), computed));
        }
        CheckedIndex.PLANNED_LINE.require(row, line, batch.blockTable().rows());
        long last = (long) computed + end - token;
        long room = (long) batch.blockTable().columns() * CpuPagedKv.BLOCK;
        if (last > room) {
            throw new IndexException(CheckedIndex.PLANNED_LENGTH, row, last, room + 1);
        }
    }

    /// Tokens that were computed before have not seen those of this step.
    private void requireWhole(int row, int computed) {
        if (computed > 0 && heads.shape().ahead() > 0) {
            throw new IllegalArgumentException(
                    "row %d: %d tokens are computed, attention to later tokens needs all of them in one step"
                            .formatted(row, computed));
        }
    }

    private static int element(Tensor vector, int i) {
        return at(vector.pointer().address(), i);
    }

    private static int at(long ints, int i) {
        return AllMemory.SEGMENT.get(AllMemory.INT, ints + 4L * i);
    }

    private static void put(long address, int value) {
        AllMemory.SEGMENT.set(AllMemory.INT, address, value);
    }
}
