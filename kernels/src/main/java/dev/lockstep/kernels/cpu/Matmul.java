// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.ScratchNeed;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;

/// The driver of matmul: checks sizes, prepares the activations once per op, and divides the output
/// rows among the team.
final class Matmul implements AutoCloseable {
    // Rows a multiple of this apart map to one set of the first-level cache and evict each other.
    private static final int ALIASING_BYTES = 4096;

    private static final Tensor EMPTY = new Tensor(new DevicePointer(0), DType.F32, 0, 0, 0);

    private final MatmulOps ops;
    private final ThreadTeam team;
    private final WeightPacker packer;
    private final ThreadTeam.Task prepareShare = this::prepareShare;
    private final ThreadTeam.Task multiplyShare = this::multiplyShare;
    private final ThreadTeam.Task orderShare = this::orderShare;
    private final Activations f32;
    private final Activations bf16;
    private final Activations int8;
    private final Activations ordered;

    // The op in progress; written by the caller before the team starts.
    private Tensor x = EMPTY;
    private Tensor out = EMPTY;
    private CpuWeight weight;
    // The segments in progress, which multiply the inputs in one order.
    private int segmentFrom;
    private int segmentTo;
    // Inputs whose order is changed.
    private Tensor source = EMPTY;
    private int[] order = {};
    private WeightFormat preparing = WeightFormat.F32;

    Matmul(MatmulOps ops, ThreadTeam team, CpuMemory memory, Optional<PackedCache> packed) {
        this.ops = ops;
        this.team = team;
        packer = new WeightPacker(ops, team, memory, packed);
        f32 = new Activations(memory);
        bf16 = new Activations(memory);
        int8 = new Activations(memory);
        ordered = new Activations(memory);
        weight = new CpuWeight(ops, 0, 0, List.of());
    }

    PackedWeight prepare(List<WeightRows> segments, DType compute) {
        CpuWeight packed = packer.pack(segments, compute);
        for (CpuWeight.Segment segment : packed.segments()) {
            activations(segment.format())
                    .fit(ops.activationBytes(prepared(segment.format()), packed.columns()));
            if (segment.columnOrder().isPresent()) {
                ordered.fit(4L * packed.columns());
            }
        }
        return packed;
    }

    /// Returns what a step of `rows` rows needs for any weight prepared until now.
    List<ScratchNeed> scratchNeeds(int rows) {
        return List.of(f32.need(rows), bf16.need(rows), int8.need(rows), ordered.need(rows));
    }

    long packedBytes(WeightFormat format, int rows, int columns, int skipped) {
        return Math.ceilDiv(rows, MatmulOps.TILE_ROWS) * ops.tileBytes(format, columns, skipped);
    }

    void run(Tensor x, PackedWeight packed, Tensor out) {
        CpuWeight own = requireOwn(packed);
        x.require("x", DType.F32, x.rows(), own.columns());
        out.require("out", DType.F32, x.rows(), own.rows());
        if (out.elements() == 0) {
            return;
        }
        this.out = out;
        weight = own;
        List<CpuWeight.Segment> segments = own.segments();
        for (segmentFrom = 0; segmentFrom < segments.size(); segmentFrom = segmentTo) {
            CpuWeight.Segment first = segments.get(segmentFrom);
            segmentTo = segmentFrom + 1;
            while (segmentTo < segments.size() && segments.get(segmentTo).hasInputsOf(first)) {
                segmentTo++;
            }
            this.x = first.columnOrder().isEmpty() ? x : inOrder(x, first.columnOrder().get());
            prepareActivations();
            team.runInPieces(multiplyShare, out.elements() * own.columns());
        }
    }

    /// Copies columns of the inputs to the places that an order gives them.
    private Tensor inOrder(Tensor inputs, int[] columnOrder) {
        source = inputs;
        order = columnOrder;
        ordered.take(inputs.rows(), 4L * inputs.columns());
        team.run(orderShare, inputs.elements());
        return new Tensor(
                new DevicePointer(ordered.address),
                DType.F32,
                inputs.rows(),
                inputs.columns(),
                Math.toIntExact(ordered.rowBytes / 4));
    }

    private void orderShare(int thread, int threads) {
        int to = ThreadTeam.share(source.rows(), thread + 1, threads);
        for (int row = ThreadTeam.share(source.rows(), thread, threads); row < to; row++) {
            long from = source.pointer().address() + 4L * row * source.stride();
            long target = ordered.address + row * ordered.rowBytes;
            for (int column = 0; column < order.length; column++) {
                AllMemory.SEGMENT.set(
                        AllMemory.FLOAT,
                        target + 4L * column,
                        AllMemory.SEGMENT.get(AllMemory.FLOAT, from + 4L * order[column]));
            }
        }
    }

    /// Throws unless these kernels packed the weight.
    CpuWeight requireOwn(PackedWeight packed) {
        if (!(packed instanceof CpuWeight own) || !own.owner().equals(ops)) {
            throw new IllegalArgumentException("the weight was packed by other kernels");
        }
        return own;
    }

    @Override
    public void close() {
        f32.close();
        bf16.close();
        int8.close();
        ordered.close();
    }

    private void prepareActivations() {
        boolean anyF32 = false;
        boolean anyBf16 = false;
        boolean anyInt8 = false;
        for (int i = segmentFrom; i < segmentTo; i++) {
            switch (weight.segments().get(i).format().inputs()) {
                case F32 -> anyF32 = true;
                case BF16 -> anyBf16 = true;
                case INT8 -> anyInt8 = true;
            }
        }
        if (anyF32) {
            prepareF32();
        }
        if (anyBf16) {
            prepare(WeightFormat.BF16);
        }
        if (anyInt8) {
            prepare(WeightFormat.Q8_0);
        }
    }

    /// Reads F32 rows in place, unless several of them would evict each other.
    private void prepareF32() {
        long rowBytes = 4L * x.stride();
        if (x.rows() > 2 && rowBytes % ALIASING_BYTES == 0) {
            prepare(WeightFormat.F32);
        } else {
            f32.borrow(x.pointer().address(), rowBytes);
        }
    }

    private void prepare(WeightFormat format) {
        preparing = format;
        activations(format).take(x.rows(), ops.activationBytes(format, x.columns()));
        team.run(prepareShare, x.elements());
    }

    private void prepareShare(int thread, int threads) {
        int from = ThreadTeam.share(x.rows(), thread, threads);
        int to = ThreadTeam.share(x.rows(), thread + 1, threads);
        Activations target = activations(preparing);
        if (preparing == WeightFormat.F32) {
            copyRows(target, from, to);
        } else {
            ops.prepareActivations(
                    preparing,
                    x.pointer().address(),
                    x.stride(),
                    x.columns(),
                    target.address,
                    target.rowBytes,
                    from,
                    to);
        }
    }

    private void copyRows(Activations target, int from, int to) {
        for (int row = from; row < to; row++) {
            MemorySegment.copy(
                    AllMemory.SEGMENT,
                    x.pointer().address() + 4L * row * x.stride(),
                    AllMemory.SEGMENT,
                    target.address + row * target.rowBytes,
                    4L * x.columns());
        }
    }

    private void multiplyShare(int share, int shares) {
        int before = weight.segments().get(segmentFrom).tileFrom();
        int tiles = weight.segments().get(segmentTo - 1).tileTo() - before;
        int from = before + ThreadTeam.share(tiles, share, shares);
        int to = before + ThreadTeam.share(tiles, share + 1, shares);
        for (int i = segmentFrom; i < segmentTo; i++) {
            CpuWeight.Segment segment = weight.segments().get(i);
            int first = Math.max(from, segment.tileFrom());
            int end = Math.min(to, segment.tileTo());
            if (first < end) {
                multiply(segment, first - segment.tileFrom(), end - segment.tileFrom());
            }
        }
    }

    /// Multiplies groups of tiles by groups of tokens, both of which stay in a core's second-level
    /// cache: weights come from memory once, activations once for each group of tiles.
    private void multiply(CpuWeight.Segment segment, int tileFrom, int tileTo) {
        Activations inputs = activations(segment.format());
        int maxTokens = ops.rowsAtOnce(segment.format(), inputs.rowBytes);
        int maxTiles = x.rows() > maxTokens ? tilesAtOnce(segment.format()) : tileTo - tileFrom;
        for (int tile = tileFrom; tile < tileTo; tile += maxTiles) {
            for (int token = 0; token < x.rows(); token += maxTokens) {
                ops.multiply(
                        segment.format(),
                        inputs.address + token * inputs.rowBytes,
                        inputs.rowBytes,
                        Math.min(maxTokens, x.rows() - token),
                        x.columns(),
                        segment.skipped(),
                        segment.address(),
                        segment.rows(),
                        tile,
                        Math.min(tile + maxTiles, tileTo),
                        out.pointer().address()
                                + 4L * ((long) token * out.stride() + segment.rowFrom()),
                        out.stride());
            }
        }
    }

    /// Kernels multiply up to four tiles at once.
    private int tilesAtOnce(WeightFormat format) {
        long bytes = ops.tileBytes(format, x.columns(), 0);
        return (int) Math.max(4, MatmulOps.CACHED_BYTES / Math.max(bytes, 1) / 4 * 4);
    }

    /// Returns the format that activations are prepared in for weights of `format`.
    private static WeightFormat prepared(WeightFormat format) {
        return switch (format.inputs()) {
            case F32 -> WeightFormat.F32;
            case BF16 -> WeightFormat.BF16;
            case INT8 -> WeightFormat.Q8_0;
        };
    }

    private Activations activations(WeightFormat format) {
        return switch (format.inputs()) {
            case F32 -> f32;
            case BF16 -> bf16;
            case INT8 -> int8;
        };
    }

    /// Rows of activations as a kernel reads them: in separate memory, which only grows, or in
    /// place.
    private static final class Activations implements AutoCloseable {
        private final GrowingMemory memory;
        private long address;
        private long rowBytes;
        private long widest;

        Activations(CpuMemory memory) {
            this.memory = new GrowingMemory(memory);
        }

        /// Notes that rows may have this many bytes.
        void fit(long bytes) {
            widest = Math.max(widest, apart(bytes));
        }

        ScratchNeed need(int rows) {
            return new ScratchNeed(memory, rows * widest);
        }

        void take(int rows, long bytes) {
            rowBytes = apart(bytes);
            address = memory.atLeast(rows * rowBytes);
        }

        /// Returns the bytes from row to row.
        private static long apart(long bytes) {
            long rounded = CpuMemory.roundUp(bytes, 64);
            return rounded % ALIASING_BYTES == 0 ? rounded + 64 : rounded;
        }

        void borrow(long address, long rowBytes) {
            this.address = address;
            this.rowBytes = rowBytes;
        }

        @Override
        public void close() {
            memory.close();
        }
    }
}
