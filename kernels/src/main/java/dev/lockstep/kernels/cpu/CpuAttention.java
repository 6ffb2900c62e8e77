// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;

/// Attention of one shape: checks sizes, then threads take tiles from a counter, most work first.
/// The kernels that created it close it.
final class CpuAttention implements AttentionBackend, AutoCloseable {
    private final AttentionOps ops;
    private final ThreadTeam team;
    private final Runnable finished;
    private final AttentionShape shape;
    private final KvLayout layout;
    private final HeadGroups heads;
    private final AttentionPlanner planner;
    private final AtomicInteger nextTile = new AtomicInteger();
    private final GrowingMemory memory;
    private final long[] scratch;

    /// Creates attention of one shape; `finished` runs after each op.
    CpuAttention(
            AttentionOps ops,
            ThreadTeam team,
            Runnable finished,
            CpuMemory memory,
            AttentionShape shape,
            KvLayout layout) {
        CpuPagedKv.requireSupported(layout);
        shape.requireCache(layout);
        shape.requireChunksOf(CpuPagedKv.BLOCK);
        this.ops = ops;
        this.team = team;
        this.finished = finished;
        this.shape = shape;
        this.layout = layout;
        heads = new HeadGroups(shape, memory);
        planner = new AttentionPlanner(this, heads, team.size(), memory);
        scratch = new long[team.size()];
        long floats =
                AttentionOps.scratchFloats(
                        AttentionPlanner.maxVectors(heads), shape.headSize(), shape.valueSize());
        long bytes = CpuMemory.roundUp(4 * floats, CpuMemory.ALIGNMENT);
        this.memory = new GrowingMemory(memory);
        long first = this.memory.atLeast(bytes * scratch.length);
        for (int thread = 0; thread < scratch.length; thread++) {
            scratch[thread] = first + thread * bytes;
        }
    }

    List<ScratchNeed> scratchNeeds(int maxTokens, int maxPositions) {
        return planner.scratchNeeds(maxTokens, maxPositions);
    }

    @Override
    public CpuAttentionPlan plan(PagedBatch batch) {
        return planner.plan(batch);
    }

    @Override
    public void rotateAndStore(
            AttentionPlan plan,
            Tensor qkv,
            RotaryTable rotary,
            Tensor positions,
            PagedKv kv,
            int layer,
            Optional<KvScales> scales) {
        CpuAttentionPlan own = requireOwn(plan, qkv);
        CpuPagedKv cache = requireCache(own, kv, layer, CheckedIndex.STORED_BLOCK);
        int tokens = own.batch().tokens();
        positions.require("positions", DType.I32, 1, tokens);
        requireRotary(rotary, positions);
        KvFactors factors = factors(scales);
        long address = qkv.pointer().address();
        long at = positions.pointer().address();
        team.run(
                (thread, threads) -> {
                    int from = ThreadTeam.share(tokens, thread, threads);
                    int to = ThreadTeam.share(tokens, thread + 1, threads);
                    if (from < to) {
                        ops.rotateAndStore(
                                own,
                                heads,
                                address,
                                qkv.stride(),
                                rotary,
                                at,
                                cache,
                                layer,
                                factors,
                                from,
                                to);
                    }
                },
                2 * qkv.elements());
        finished.run();
    }

    @Override
    public void rotateQueries(
            AttentionPlan plan, Tensor qkv, RotaryTable rotary, Tensor positions) {
        CpuAttentionPlan own = requireOwn(plan, qkv);
        int tokens = own.batch().tokens();
        positions.require("positions", DType.I32, 1, tokens);
        requireRotary(rotary, positions);
        long address = qkv.pointer().address();
        long at = positions.pointer().address();
        team.run(
                (thread, threads) -> {
                    int from = ThreadTeam.share(tokens, thread, threads);
                    int to = ThreadTeam.share(tokens, thread + 1, threads);
                    if (from < to) {
                        ops.rotateQueries(own, heads, address, qkv.stride(), rotary, at, from, to);
                    }
                },
                2L * tokens * shape.queryHeads() * shape.headSize());
        finished.run();
    }

    @Override
    public void attend(
            AttentionPlan plan,
            Tensor qkv,
            PagedKv kv,
            int layer,
            Optional<KvScales> scales,
            Optional<Tensor> sinks,
            Tensor out) {
        CpuAttentionPlan own = requireOwn(plan, qkv);
        CpuPagedKv cache = requireCache(own, kv, layer, CheckedIndex.ATTENDED_BLOCK);
        sinks.ifPresent(each -> each.require("sinks", DType.F32, 1, shape.queryHeads()));
        long sink = sinks.map(each -> each.pointer().address()).orElse(0L);
        attend(own, qkv, cache, layer, factors(scales), sink, out);
        finished.run();
    }

    /// Attends with queries `[tokens, queryHeads · headSize]`, to all that the cache holds.
    void attendAlone(CpuAttentionPlan plan, Tensor queries, CpuPagedKv cache, Tensor out) {
        queries.require(
                "queries", DType.F32, plan.batch().tokens(), shape.queryHeads() * shape.headSize());
        attend(plan, queries, cache, 0, factors(Optional.empty()), 0, out);
    }

    private void attend(
            CpuAttentionPlan own,
            Tensor qkv,
            CpuPagedKv cache,
            int layer,
            KvFactors factors,
            long sink,
            Tensor out) {
        out.require("out", DType.F32, own.batch().tokens(), shape.queryHeads() * shape.valueSize());
        long from = qkv.pointer().address();
        long to = out.pointer().address();
        nextTile.setPlain(0);
        team.run(
                (thread, threads) -> {
                    int last = own.tiles().size() - 1;
                    int tile;
                    while ((tile = nextTile.getAndIncrement()) <= last) {
                        ops.attend(
                                own.tiles().get(tile),
                                own.tiles().get(Math.min(tile + threads, last)),
                                heads,
                                from,
                                qkv.stride(),
                                cache,
                                layer,
                                factors,
                                sink,
                                to,
                                out.stride(),
                                scratch[thread]);
                    }
                },
                own.work());
        if (!own.merges().isEmpty()) {
            merge(own, factors, sink, to, out.stride());
        }
        if (own.padding() > 0) {
            clearPadding(own, out);
        }
    }

    private void merge(
            CpuAttentionPlan plan, KvFactors factors, long sinks, long out, long outStride) {
        int merges = plan.merges().size();
        team.run(
                (thread, threads) -> {
                    int end = ThreadTeam.share(merges, thread + 1, threads);
                    for (int i = ThreadTeam.share(merges, thread, threads); i < end; i++) {
                        ops.merge(plan.merges().get(i), heads, factors, sinks, out, outStride);
                    }
                },
                plan.mergedFloats());
    }

    @Override
    public void close() {
        planner.close();
        memory.close();
    }

    private KvFactors factors(Optional<KvScales> scales) {
        KvScales.requireFor(scales, layout);
        return KvFactors.of(layout.type(), scales);
    }

    private static void clearPadding(CpuAttentionPlan plan, Tensor out) {
        for (int t = 0; t < out.rows(); t++) {
            if (AllMemory.SEGMENT.get(AllMemory.INT, plan.tokenBlocks() + 4L * t) < 0) {
                long row = out.pointer().address() + 4L * t * out.stride();
                AllMemory.SEGMENT.asSlice(row, 4L * out.columns()).fill((byte) 0);
            }
        }
    }

    private CpuAttentionPlan requireOwn(AttentionPlan plan, Tensor qkv) {
        if (!(plan instanceof CpuAttentionPlan own) || own.owner() != this) {
            throw new IllegalArgumentException("the plan was made by another attention backend");
        }
        qkv.require("qkv", DType.F32, own.batch().tokens(), shape.qkvColumns(layout));
        return own;
    }

    private CpuPagedKv requireCache(
            CpuAttentionPlan plan, PagedKv kv, int layer, CheckedIndex entry) {
        if (!(kv instanceof CpuPagedKv cache) || !cache.layout().equals(layout)) {
            throw new IllegalArgumentException(
                    "the KV cache has layout %s, needs %s".formatted(kv.layout(), layout));
        }
        if (layer < 0 || layer >= layout.layers()) {
            throw new IllegalArgumentException("layer %d of %d".formatted(layer, layout.layers()));
        }
        if (plan.batch().tokens() > plan.padding()) {
            entry.require(plan.lowest().index(), plan.lowest().block(), cache.blocks());
            entry.require(plan.highest().index(), plan.highest().block(), cache.blocks());
        }
        return cache;
    }

    private void requireRotary(RotaryTable rotary, Tensor positions) {
        if (rotary.dimensions() > shape.headSize()) {
            throw new IllegalArgumentException(
                    "%d rotary dimensions of a head of %d"
                            .formatted(rotary.dimensions(), shape.headSize()));
        }
        long at = positions.pointer().address();
        for (int t = 0; t < positions.columns(); t++) {
            int position = AllMemory.SEGMENT.get(AllMemory.INT, at + 4L * t);
            CheckedIndex.ROTATED_POSITION.require(t, position, rotary.positions());
        }
    }
}
