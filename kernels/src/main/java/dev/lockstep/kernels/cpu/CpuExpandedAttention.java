// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.ExpandedAttention;
import dev.lockstep.kernels.ExpandedHeads;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Expands the sequence of one row for one group of heads at a time to F32 blocks in scratch
/// memory, piece by piece, and attends to them like to any cache. The kernels that created it close
/// it.
///
/// Law 6: a product has the same bits in any piece, and a row those of [AttentionOps].
final class CpuExpandedAttention implements ExpandedAttention, AutoCloseable {
    /// The positions that are multiplied at once.
    static final int PIECE = 256;

    /// The floats between rows of products: a cache line.
    private static final int APART = 16;

    /// The ints of a batch of one row before its block table.
    private static final int ROW_INTS = 4;

    private final AttentionOps ops;
    private final ThreadTeam team;
    private final Matmul matmul;
    private final Runnable finished;
    private final ExpandedHeads heads;
    private final KvLayout cached;
    private final KvLayout expanded;
    private final CpuAttention attention;
    private final GrowingMemory pieces;
    private final GrowingMemory indexes;
    private final Blocks blocks;

    /// The blocks of the longest sequence.
    private static final class Blocks implements ScratchNeed.Memory, AutoCloseable {
        private final CpuMemory memory;
        private final KvLayout layout;
        private CpuPagedKv kv;

        Blocks(CpuMemory memory, KvLayout layout) {
            this.memory = memory;
            this.layout = layout;
            kv = new CpuPagedKv(memory, layout, 1);
        }

        CpuPagedKv atLeast(int count) {
            if (count > kv.blocks()) {
                grow(Math.max(count, 2 * kv.blocks()));
            }
            return kv;
        }

        private void grow(int count) {
            kv.close();
            kv = new CpuPagedKv(memory, layout, count);
        }

        @Override
        public long bytes() {
            return kv.blocks() * layout.bytesPerBlock();
        }

        @Override
        public void reserve(long bytes) {
            if (bytes > bytes()) {
                grow(Math.toIntExact(bytes / layout.bytesPerBlock()));
            }
        }

        @Override
        public void close() {
            kv.close();
        }
    }

    /// @param cached the layout of the latents, of any number of layers
    /// @param finished runs after each op
    CpuExpandedAttention(
            AttentionOps ops,
            ThreadTeam team,
            Matmul matmul,
            Runnable finished,
            CpuMemory memory,
            ExpandedHeads heads,
            KvLayout cached) {
        if (!cached.valuesAreKeys() || cached.headSize() != heads.cachedDim()) {
            throw new IllegalArgumentException(
                    "heads of latents of %d over a cache of %s"
                            .formatted(heads.cachedDim(), cached));
        }
        this.ops = ops;
        this.team = team;
        this.matmul = matmul;
        this.finished = finished;
        this.heads = heads;
        this.cached = cached.ofOneLayer();
        int group = heads.group();
        expanded =
                new KvLayout(
                        1,
                        group,
                        heads.queryDim(),
                        heads.valueDim(),
                        DType.F32,
                        CpuPagedKv.BLOCK,
                        false);
        var shape =
                new AttentionShape(
                        IntStream.range(0, group).toArray(),
                        group,
                        heads.queryDim(),
                        heads.valueDim(),
                        heads.scale(),
                        AttentionShape.NO_WINDOW,
                        0,
                        0,
                        false);
        attention = new CpuAttention(ops, team, () -> {}, memory, shape, expanded);
        pieces = new GrowingMemory(memory);
        indexes = new GrowingMemory(memory);
        blocks = new Blocks(memory, expanded);
        pieces.reserve(4L * PIECE * (heads.cachedDim() + productStride()));
    }

    /// Returns what a step needs beside the product.
    List<ScratchNeed> scratchNeeds(int maxTokens, int maxPositions) {
        var needs = new ArrayList<>(attention.scratchNeeds(maxTokens, maxPositions));
        int count = blocks(maxPositions);
        needs.add(new ScratchNeed(indexes, 4L * (ROW_INTS + count)));
        needs.add(new ScratchNeed(blocks, count * expanded.bytesPerBlock()));
        return needs;
    }

    @Override
    public void attend(
            AttentionPlan plan,
            PagedKv kv,
            int layer,
            Tensor queries,
            List<PackedWeight> weights,
            Tensor out) {
        if (!(plan instanceof CpuAttentionPlan own)
                || !(kv instanceof CpuPagedKv cache)
                || !cache.layout().ofOneLayer().equals(cached)) {
            throw new IllegalArgumentException(
                    "the KV cache has layout %s, needs %s".formatted(kv.layout(), cached));
        }
        if (layer < 0 || layer >= cache.layout().layers()) {
            throw new IllegalArgumentException(
                    "layer %d of %d".formatted(layer, cache.layout().layers()));
        }
        if (weights.size() != heads.groups()) {
            throw new IllegalArgumentException(
                    "%d weights for %d groups of heads".formatted(weights.size(), heads.groups()));
        }
        int tokens = own.batch().expandedTokens();
        queries.require("queries", DType.F32, tokens, heads.heads() * heads.queryDim());
        out.require("out", DType.F32, tokens, heads.heads() * heads.valueDim());
        for (CpuAttentionPlan.ExpandedRow row : own.expanded()) {
            CpuPagedKv scratch = blocks.atLeast(blocks(row.length()));
            CpuAttentionPlan alone = attention.plan(alone(row));
            Tensor rowQueries = queries.rows(row.token(), row.token() + row.tokens());
            Tensor rowOut = out.rows(row.token(), row.token() + row.tokens());
            for (int group = 0; group < heads.groups(); group++) {
                expand(row, cache, layer, weights.get(group), scratch);
                attention.attendAlone(
                        alone,
                        columns(rowQueries, group, heads.queryDim()),
                        scratch,
                        columns(rowOut, group, heads.valueDim()));
            }
        }
        finished.run();
    }

    private Tensor columns(Tensor rows, int group, int dimensions) {
        int size = heads.group() * dimensions;
        return rows.columns(group * size, (group + 1) * size);
    }

    /// Returns the batch of one row over the blocks in scratch memory.
    private PagedBatch alone(CpuAttentionPlan.ExpandedRow row) {
        int count = blocks(row.length()) - 1;
        long at = indexes.atLeast(4L * (ROW_INTS + count));
        int[] ints = {0, row.tokens(), row.position(), 0};
        for (int i = 0; i < ints.length; i++) {
            AllMemory.SEGMENT.set(AllMemory.INT, at + 4L * i, ints[i]);
        }
        for (int i = 0; i < count; i++) {
            AllMemory.SEGMENT.set(AllMemory.INT, at + 4L * (ROW_INTS + i), 1 + i);
        }
        return new PagedBatch(
                1,
                row.tokens(),
                tensor(at, DType.I32, 1, 2),
                tensor(at + 8, DType.I32, 1, 1),
                tensor(at + 12, DType.I32, 1, 1),
                tensor(at + 4L * ROW_INTS, DType.I32, 1, count));
    }

    /// Computes the keys and values of a group of heads, for all positions of a row's sequence.
    private void expand(
            CpuAttentionPlan.ExpandedRow row,
            CpuPagedKv cache,
            int layer,
            PackedWeight weight,
            CpuPagedKv scratch) {
        long latents = pieces.atLeast(0);
        for (int from = 0; from < row.length(); from += PIECE) {
            int first = from;
            int count = Math.min(PIECE, row.length() - from);
            Tensor read = tensor(latents, DType.F32, count, heads.cachedDim());
            Tensor product =
                    new Tensor(
                            new DevicePointer(latents + 4L * PIECE * heads.cachedDim()),
                            DType.F32,
                            count,
                            heads.groupRows(),
                            productStride());
            team.run(
                    (thread, threads) -> {
                        int begin = first + share(count, thread, threads);
                        int end = first + share(count, thread + 1, threads);
                        if (begin < end) {
                            long to = address(read, begin - first);
                            ops.readKeys(
                                    cache, layer, row.blockTable(), begin, end, to, read.stride());
                        }
                    },
                    read.elements());
            matmul.run(read.columns(heads.rotaryDim(), heads.cachedDim()), weight, product);
            team.run(
                    (thread, threads) -> {
                        int begin = first + share(count, thread, threads);
                        int end = first + share(count, thread + 1, threads);
                        if (begin < end) {
                            ops.storeExpanded(
                                    address(product, 0),
                                    product.stride(),
                                    address(read, 0),
                                    read.stride(),
                                    heads.rotaryDim(),
                                    scratch,
                                    first,
                                    begin,
                                    end);
                        }
                    },
                    2 * product.elements());
        }
    }

    /// Returns the floats from row to row of products: not a multiple of the size at which rows
    /// would evict each other from the first-level cache.
    private int productStride() {
        return heads.groupRows() + APART;
    }

    /// Returns where a thread's share begins: whole blocks.
    private static int share(int count, int thread, int threads) {
        int ofBlocks = Math.ceilDiv(count, CpuPagedKv.BLOCK);
        return Math.min(count, ThreadTeam.share(ofBlocks, thread, threads) * CpuPagedKv.BLOCK);
    }

    private static long address(Tensor rows, int row) {
        return rows.pointer().address() + 4L * row * rows.stride();
    }

    private static Tensor tensor(long address, DType type, int rows, int columns) {
        return new Tensor(new DevicePointer(address), type, rows, columns, columns);
    }

    /// Returns the blocks of a sequence, the null block included.
    private static int blocks(int positions) {
        return 1 + Math.ceilDiv(positions, CpuPagedKv.BLOCK);
    }

    @Override
    public void close() {
        attention.close();
        pieces.close();
        indexes.close();
        blocks.close();
    }
}
