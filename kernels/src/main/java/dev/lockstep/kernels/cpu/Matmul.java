package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.util.List;

/// Multiplies activations by packed weights: checks, prepares the activations once per op, and cuts
/// the output rows over the team.
final class Matmul implements AutoCloseable {
    // Prepared activations of that many bytes stay in a core's second-level cache.
    private static final long TOKENS_BYTES = 256 << 10;
    private static final Tensor EMPTY = new Tensor(new DevicePointer(0), DType.F32, 0, 0, 0);

    private final MatmulOps ops;
    private final ThreadTeam team;
    private final WeightPacker packer;
    private final ThreadTeam.Task prepareShare = this::prepareShare;
    private final ThreadTeam.Task multiplyShare = this::multiplyShare;
    private final Scratch int8 = new Scratch();
    private final Scratch bf16 = new Scratch();

    // The op in progress; written by the caller before the team starts.
    private Tensor x = EMPTY;
    private Tensor out = EMPTY;
    private CpuWeight weight;
    private WeightFormat preparing = WeightFormat.F32;

    Matmul(MatmulOps ops, ThreadTeam team, CpuMemory memory) {
        this.ops = ops;
        this.team = team;
        packer = new WeightPacker(ops, team, memory);
        weight = new CpuWeight(ops, 0, 0, List.of());
    }

    PackedWeight prepare(List<WeightRows> segments, DType compute) {
        return packer.pack(segments, compute);
    }

    void run(Tensor x, PackedWeight packed, Tensor out) {
        if (!(packed instanceof CpuWeight own) || !own.owner().equals(ops)) {
            throw new IllegalArgumentException("the weight was packed by other kernels");
        }
        x.require("x", DType.F32, x.rows(), own.columns());
        out.require("out", DType.F32, x.rows(), own.rows());
        if (out.elements() == 0) {
            return;
        }
        this.x = x;
        this.out = out;
        weight = own;
        prepareActivations();
        team.run(multiplyShare, out.elements() * own.columns());
    }

    @Override
    public void close() {
        int8.close();
        bf16.close();
    }

    private void prepareActivations() {
        boolean anyInt8 = false;
        boolean anyBf16 = false;
        for (int i = 0; i < weight.segments().size(); i++) {
            WeightFormat format = weight.segments().get(i).format();
            anyInt8 |= format.isQuantized();
            anyBf16 |= format == WeightFormat.BF16;
        }
        if (anyInt8) {
            prepare(WeightFormat.Q8_0);
        }
        if (anyBf16) {
            prepare(WeightFormat.BF16);
        }
    }

    private void prepare(WeightFormat format) {
        preparing = format;
        scratch(format).grow(x.rows() * ops.activationBytes(format, x.columns()));
        team.run(prepareShare, x.elements());
    }

    private void prepareShare(int thread, int threads) {
        int from = ThreadTeam.share(x.rows(), thread, threads);
        int to = ThreadTeam.share(x.rows(), thread + 1, threads);
        if (from < to) {
            ops.prepareActivations(
                    preparing,
                    x.pointer().address(),
                    x.stride(),
                    x.columns(),
                    scratch(preparing).address,
                    from,
                    to);
        }
    }

    private void multiplyShare(int thread, int threads) {
        int from = ThreadTeam.share(weight.tiles(), thread, threads);
        int to = ThreadTeam.share(weight.tiles(), thread + 1, threads);
        for (int i = 0; i < weight.segments().size(); i++) {
            CpuWeight.Segment segment = weight.segments().get(i);
            int first = Math.max(from, segment.tileFrom());
            int end = Math.min(to, segment.tileTo());
            if (first < end) {
                multiply(segment, first - segment.tileFrom(), end - segment.tileFrom());
            }
        }
    }

    private void multiply(CpuWeight.Segment segment, int tileFrom, int tileTo) {
        WeightFormat format = segment.format();
        boolean plain = format == WeightFormat.F32;
        long inputs = plain ? x.pointer().address() : scratch(format).address;
        long rowBytes = plain ? 4L * x.stride() : ops.activationBytes(format, x.columns());
        int most = (int) Math.max(8, TOKENS_BYTES / Math.max(rowBytes, 1) / 8 * 8);
        for (int token = 0; token < x.rows(); token += most) {
            ops.multiply(
                    format,
                    inputs + token * rowBytes,
                    rowBytes,
                    Math.min(most, x.rows() - token),
                    x.columns(),
                    segment.address(),
                    segment.rows(),
                    tileFrom,
                    tileTo,
                    out.pointer().address()
                            + 4L * ((long) token * out.stride() + segment.rowFrom()),
                    out.stride());
        }
    }

    private Scratch scratch(WeightFormat format) {
        return format.isQuantized() ? int8 : bf16;
    }

    /// Memory that only grows.
    private static final class Scratch implements AutoCloseable {
        private DeviceBuffer buffer = CpuMemory.buffer(0);
        private long address = buffer.pointer().address();

        void grow(long bytes) {
            if (bytes > buffer.bytes()) {
                buffer.close();
                buffer = CpuMemory.buffer(Math.max(bytes, 2 * buffer.bytes()));
                address = buffer.pointer().address();
            }
        }

        @Override
        public void close() {
            buffer.close();
        }
    }
}
