// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.AttentionBackend;
import dev.lockstep.kernels.AttentionPlan;
import dev.lockstep.kernels.AttentionShape;
import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.KvLayout;
import dev.lockstep.kernels.KvScales;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.PagedKv;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/// Attention of one shape. What is enqueued depends on the numbers of rows and tokens only, never
/// on lengths: the device lists the work, so that a recorded step serves sequences of any length.
///
/// The kernels that created it close it.
final class CudaAttention implements AttentionBackend, AutoCloseable {
    private static final KernelDeclaration PLAN =
            KernelDeclaration.of(
                    "attention_plan",
                    KernelStruct.named("AttentionPlanParams")
                            .pointer("row_starts")
                            .pointer("computed")
                            .pointer("lines")
                            .view("table")
                            .struct("plan", CudaAttentionPlan.PLAN)
                            .i32("rows")
                            .i32("tokens")
                            .i32("block_size")
                            .i32("window")
                            .i32("partials")
                            .i32("chunked")
                            .i32("ahead")
                            .i32("unused")
                            .struct("line_report", KernelStruct.REPORT)
                            .struct("length_report", KernelStruct.REPORT)
                            .struct("token_report", KernelStruct.REPORT)
                            .struct("ahead_report", KernelStruct.REPORT));

    private static final KernelDeclaration ROTATE_AND_STORE =
            KernelDeclaration.of(
                    "rotate_and_store",
                    KernelStruct.named("RotateAndStoreParams")
                            .view("qkv")
                            .pointer("positions")
                            .pointer("cosines")
                            .pointer("sines")
                            .i32("rotary_positions")
                            .i32("half")
                            .i32("query_heads")
                            .i32("kv_heads")
                            .i32("head_size")
                            .i32("layer")
                            .struct("plan", CudaAttentionPlan.PLAN)
                            .view("table")
                            .struct("kv", CudaPagedKv.CACHE)
                            .struct("position_report", KernelStruct.REPORT)
                            .struct("block_report", KernelStruct.REPORT));

    private static final KernelDeclaration ATTEND =
            KernelDeclaration.of(
                    "attend",
                    KernelStruct.named("AttendParams")
                            .view("qkv")
                            .pointer("kv_head_of")
                            .pointer("sinks")
                            .struct("plan", CudaAttentionPlan.PLAN)
                            .view("table")
                            .struct("kv", CudaPagedKv.CACHE)
                            .view("out")
                            .pointer("partials")
                            .i32("query_heads")
                            .i32("head_size")
                            .i32("layer")
                            .i32("window")
                            .f32("scale")
                            .f32("soft_cap")
                            .i32("chunked")
                            .i32("unused")
                            .report());

    private static final KernelDeclaration MERGE = ofAttend("attend_merge");
    private static final KernelDeclaration ATTEND_WIDE = ofAttend("attend_wide");
    private static final KernelDeclaration MERGE_WIDE = ofAttend("attend_wide_merge");

    /// The largest head of kernels that hold fewer registers.
    private static final int NARROW_HEAD = 256;

    private static final int PLAN_THREADS = 256;
    private static final int STORE_THREADS = 64;
    private static final int ATTEND_THREADS = 128;

    /// The tokens of a split, a constant of the kernels.
    private static final int SPLIT = 256;

    /// Blocks of threads that keep a multiprocessor busy.
    private static final int BUSY = 8;

    /// Waves of such blocks, between which uneven work evens out.
    private static final int WAVES = 2;

    private static final long MAX_RESULT_BYTES = 64 << 20;

    private final CudaContext context;
    private final AttentionShape shape;
    private final KvLayout layout;
    private final DevicePointer kvHeadOf;
    private final CudaOp planned;
    private final CudaOp stored;
    private final CudaOp attended;
    private final CudaOp merged;
    private final CudaScratch plans;
    private final CudaScratch results;
    private int maxPositions = Integer.MAX_VALUE;

    CudaAttention(CudaContext context, AttentionShape shape, KvLayout layout) {
        CudaPagedKv.requireSupported(layout);
        shape.requireCache(layout);
        if (shape.headSize() > DeviceCapabilities.MAX_CUDA_HEAD) {
            throw new IllegalArgumentException(
                    "head size %d, must be 1 to %d on a GPU"
                            .formatted(shape.headSize(), DeviceCapabilities.MAX_CUDA_HEAD));
        }
        shape.requireChunksOf(layout.blockSize());
        this.context = context;
        this.shape = shape;
        this.layout = layout;
        String activation = "-DACTIVATION=" + context.activationType();
        String cache = "-DKV=" + layout.type();
        planned = context.programs().op(PLAN);
        stored = context.programs().op(ROTATE_AND_STORE, activation, cache);
        boolean narrow = shape.headSize() <= NARROW_HEAD;
        attended = context.programs().op(narrow ? ATTEND : ATTEND_WIDE, activation, cache);
        merged = context.programs().op(narrow ? MERGE : MERGE_WIDE, activation, cache);
        plans = new CudaScratch(context.memory());
        results = new CudaScratch(context.memory());
        kvHeadOf = context.memory().reserve((long) Integer.BYTES * shape.queryHeads());
        context.staging().copy(MemorySegment.ofArray(shape.kvHeadOf()), kvHeadOf);
    }

    private static KernelDeclaration ofAttend(String name) {
        return new KernelDeclaration("attend", name, ATTEND.parameters());
    }

    static List<KernelDeclaration> declarations() {
        return List.of(PLAN, ROTATE_AND_STORE, ATTEND, MERGE, ATTEND_WIDE, MERGE_WIDE);
    }

    /// Returns the scratch memory for the largest step. Later steps use no more for results, even
    /// if their table has more blocks.
    List<ScratchNeed> scratchNeeds(int maxTokens, int maxRows, int maxPositions) {
        this.maxPositions = maxPositions;
        int partials = partials(maxRows, maxPositions);
        return List.of(
                new ScratchNeed(plans, CudaAttentionPlan.bytes(maxTokens, maxRows, partials)),
                new ScratchNeed(results, partials * resultBytes()));
    }

    @Override
    public AttentionPlan plan(PagedBatch batch) {
        if (batch.expandedRows() > 0) {
            throw new IllegalArgumentException(
                    "%d expanded rows, a GPU has no kernels for them"
                            .formatted(batch.expandedRows()));
        }
        Tensor table = batch.blockTable();
        long positions = (long) table.columns() * layout.blockSize();
        int partials = partials(batch.rows(), Math.min(positions, maxPositions));
        long bytes = CudaAttentionPlan.bytes(batch.tokens(), batch.rows(), partials);
        var plan =
                new CudaAttentionPlan(
                        this,
                        batch,
                        partials,
                        plans.atLeast(bytes),
                        results.atLeast(partials * resultBytes()));
        if (batch.tokens() > 0) {
            plan.put(
                            planned.begin()
                                    .pointer(batch.rowStarts())
                                    .pointer(batch.computed())
                                    .pointer(batch.lines())
                                    .view(table))
                    .i32(batch.rows())
                    .i32(batch.tokens())
                    .i32(layout.blockSize())
                    .i32(shape.window())
                    .i32(partials)
                    .i32(shape.chunked() ? 1 : 0)
                    .i32(shape.ahead())
                    .i32(0)
                    .report(CheckedIndex.PLANNED_LINE)
                    .report(CheckedIndex.PLANNED_LENGTH)
                    .report(CheckedIndex.PLANNED_TOKEN)
                    .report(CheckedIndex.COMPUTED_AHEAD)
                    .launch(1, 1, 1, PLAN_THREADS);
        }
        context.progress().enqueued();
        return plan;
    }

    /// Returns how many results of splits a step may hold at a time: those of as many rows as keep
    /// the device busy. More rows than these need no splits.
    private int partials(int rows, long positions) {
        long splits = Math.ceilDiv(positions, SPLIT);
        if (shape.window() < positions) {
            // A window or a chunk may begin and end within a split.
            splits = Math.min(splits, Math.ceilDiv((long) shape.window(), SPLIT) + 1);
        }
        if (shape.queryHeads() == 0 || splits < 2) {
            return 0;
        }
        int multiprocessors = context.cuda().device().multiprocessors();
        long split = Math.min(rows, Math.ceilDiv(BUSY * multiprocessors, shape.queryHeads()));
        return (int) Math.min(split * splits, MAX_RESULT_BYTES / resultBytes());
    }

    /// Returns the bytes of a split's result for all heads: greatest score, sum, values.
    private long resultBytes() {
        return (long) shape.queryHeads() * (shape.headSize() + 2) * Float.BYTES;
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
        KvScales.requireFor(scales, kv.layout());
        CudaAttentionPlan own = requireOwn(plan, qkv);
        CudaPagedKv cache = requireCache(kv, layer);
        int heads = shape.queryHeads() + shape.kvHeads();
        if (mayRotate(own, rotary, positions, heads)) {
            cache.put(rotating(own, qkv, rotary, positions, layer))
                    .report(CheckedIndex.ROTATED_POSITION)
                    .report(CheckedIndex.STORED_BLOCK)
                    .launch(own.batch().tokens(), heads, 1, STORE_THREADS);
        }
        context.progress().enqueued();
    }

    /// Launches the same kernel for the query heads alone.
    @Override
    public void rotateQueries(
            AttentionPlan plan, Tensor qkv, RotaryTable rotary, Tensor positions) {
        CudaAttentionPlan own = requireOwn(plan, qkv);
        if (mayRotate(own, rotary, positions, shape.queryHeads())) {
            CudaPagedKv.putNone(rotating(own, qkv, rotary, positions, 0))
                    .report(CheckedIndex.ROTATED_POSITION)
                    .report(CheckedIndex.STORED_BLOCK)
                    .launch(own.batch().tokens(), shape.queryHeads(), 1, STORE_THREADS);
        }
        context.progress().enqueued();
    }

    /// Checks the arguments of a rotation; returns whether there is something to rotate.
    private boolean mayRotate(
            CudaAttentionPlan plan, RotaryTable rotary, Tensor positions, int heads) {
        int tokens = plan.batch().tokens();
        positions.require("positions", DType.I32, 1, tokens);
        requireRotary(rotary);
        return tokens > 0 && heads > 0;
    }

    private CudaOp rotating(
            CudaAttentionPlan plan, Tensor qkv, RotaryTable rotary, Tensor positions, int layer) {
        CudaOp op =
                stored.begin()
                        .view(qkv)
                        .pointer(positions)
                        .pointer(rotary.cos())
                        .pointer(rotary.sin())
                        .i32(rotary.positions())
                        .i32(rotary.dimensions() / 2)
                        .i32(shape.queryHeads())
                        .i32(shape.kvHeads())
                        .i32(shape.headSize())
                        .i32(layer);
        return plan.put(op).view(plan.batch().blockTable());
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
        KvScales.requireFor(scales, kv.layout());
        CudaAttentionPlan own = requireOwn(plan, qkv);
        CudaPagedKv cache = requireCache(kv, layer);
        int tokens = own.batch().tokens();
        int heads = shape.queryHeads();
        out.require("out", context.activationType(), tokens, heads * shape.headSize());
        sinks.ifPresent(each -> each.require("sinks", DType.F32, 1, heads));
        DevicePointer sink = sinks.map(Tensor::pointer).orElse(new DevicePointer(0));
        if (tokens > 0 && heads > 0) {
            int multiprocessors = context.cuda().device().multiprocessors();
            int blocks =
                    Math.min(
                            tokens + own.partials(),
                            Math.ceilDiv(WAVES * BUSY * multiprocessors, heads));
            fill(attended, own, qkv, cache, layer, sink, out)
                    .launch(blocks, heads, 1, ATTEND_THREADS);
            if (own.partials() > 0) {
                fill(merged, own, qkv, cache, layer, sink, out)
                        .launch(own.batch().rows(), heads, 1, ATTEND_THREADS);
            }
        }
        context.progress().enqueued();
    }

    private CudaOp fill(
            CudaOp op,
            CudaAttentionPlan plan,
            Tensor qkv,
            CudaPagedKv cache,
            int layer,
            DevicePointer sinks,
            Tensor out) {
        plan.put(op.begin().view(qkv).pointer(kvHeadOf).pointer(sinks))
                .view(plan.batch().blockTable());
        return cache.put(op)
                .view(out)
                .pointer(plan.results())
                .i32(shape.queryHeads())
                .i32(shape.headSize())
                .i32(layer)
                .i32(shape.window())
                .f32(shape.scale())
                .f32(shape.softCap())
                .i32(shape.chunked() ? 1 : 0)
                .i32(0)
                .report(CheckedIndex.ATTENDED_BLOCK);
    }

    private CudaAttentionPlan requireOwn(AttentionPlan plan, Tensor qkv) {
        if (!(plan instanceof CudaAttentionPlan own) || own.owner() != this) {
            throw new IllegalArgumentException("the plan was made by another attention backend");
        }
        qkv.require(
                "qkv", context.activationType(), own.batch().tokens(), shape.qkvColumns(layout));
        return own;
    }

    private CudaPagedKv requireCache(PagedKv kv, int layer) {
        if (!(kv instanceof CudaPagedKv cache) || cache.owner() != context) {
            throw new IllegalArgumentException("the KV cache was allocated by other kernels");
        }
        if (!cache.layout().equals(layout)) {
            throw new IllegalArgumentException(
                    "the KV cache has layout %s, needs %s".formatted(kv.layout(), layout));
        }
        if (layer < 0 || layer >= layout.layers()) {
            throw new IllegalArgumentException("layer %d of %d".formatted(layer, layout.layers()));
        }
        return cache;
    }

    private void requireRotary(RotaryTable rotary) {
        if (rotary.dimensions() > shape.headSize()) {
            throw new IllegalArgumentException(
                    "%d rotary dimensions of a head of %d"
                            .formatted(rotary.dimensions(), shape.headSize()));
        }
        if (!rotary.cos().isDense() || !rotary.sin().isDense()) {
            throw new IllegalArgumentException("the rotary table has gaps between its rows");
        }
    }

    @Override
    public void close() {
        plans.close();
        results.close();
    }
}
