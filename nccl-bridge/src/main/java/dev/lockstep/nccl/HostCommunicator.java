package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.time.Duration;

/// Ranks of one host, one process each, through shared memory; for kernels whose tensors lie in
/// host memory.
///
/// Everything is built from one exchange: write what others need, raise the own arrival flag, wait
/// for all flags. A slot written for one exchange is written again two exchanges later, when every
/// rank has arrived at the one between and so has read it; that is why there are two per rank.
///
/// Sums are in rank order in fp32, element by element, so the bits depend neither on the size of a
/// message nor on how it is cut (law 6). The step thread calls and closes; any thread may [#abort].
public final class HostCommunicator implements Communicator {
    /// Up to this many bytes, all ranks together, each rank sums everything itself after one
    /// exchange; above, each sums a slice after one and reads the others' after a second.
    private static final int ONE_SHOT_BYTES = 128 * 1024;

    private static final int ALIGNMENT = 64;
    private static final long SPIN_NANOS = 50_000;
    private static final int NOBODY = -1;

    private static final MemorySegment HOST = hostMemory();

    private final SharedRegion region;
    private final MemorySegment memory;
    private final RegionLayout layout;
    private final int rank;
    private final Kernels kernels;
    private final Waiting waiting;
    private final PeerWatch watch;
    private volatile int awaited = NOBODY;
    private boolean closed;

    private long allocated;
    private int exchange;
    private long callsDone;
    private int lastReceiver = NOBODY;
    private final int[] sent;
    private final int[] taken;
    private final long[] offsets;
    private final long[] sources;

    private HostCommunicator(SharedRegion region, int rank, Kernels kernels, Waiting waiting) {
        this.region = region;
        this.memory = region.memory();
        this.layout = region.layout();
        this.rank = rank;
        this.kernels = kernels;
        this.waiting = waiting;
        this.sent = new int[layout.size()];
        this.taken = new int[layout.size()];
        this.offsets = new long[layout.size()];
        this.sources = new long[layout.size()];
        this.watch = new PeerWatch(region, rank, kernels::progress, () -> awaited);
    }

    /// Meets the other ranks; throws [RendezvousException] naming who is missing after `timeout` or
    /// what differs. Nothing is left in the file system when it returns or throws.
    ///
    /// @param bytes what [#allocate] can give in all, equal on all ranks
    public static HostCommunicator open(
            Rendezvous rendezvous,
            int rank,
            long bytes,
            Kernels kernels,
            Waiting waiting,
            Duration timeout) {
        SharedRegion region = new Formation(rendezvous, rank, bytes, timeout).meet();
        HostCommunicator communicator = new HostCommunicator(region, rank, kernels, waiting);
        communicator.watch.start();
        return communicator;
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return layout.size();
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        long start = aligned(allocated);
        if (bytes < 0 || bytes > layout.bytes() - start) {
            throw new IllegalArgumentException(
                    "%d bytes for a collective, %d of %d are free: open the communicator with more"
                            .formatted(bytes, Math.max(0, layout.bytes() - start), layout.bytes()));
        }
        allocated = start + bytes;
        return new DeviceBuffer(
                new DevicePointer(memory.address() + layout.arena(rank) + start), bytes, () -> {});
    }

    /// What [#allocate] uses up for a buffer of `bytes`: the sum of these is what to open with.
    public static long aligned(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    // Sums.

    @Override
    public void allReduceSum(Tensor x) {
        Arguments.requireDense("x", x);
        x.require("x", DType.F32, x.rows(), x.columns());
        begin();
        int count = Math.toIntExact(x.elements());
        if (count == 0 || size() == 1) {
            return;
        }
        long at = offsetOf("x", x);
        if (x.bytes() * size() <= ONE_SHOT_BYTES) {
            sumAtOnce(at, count);
        } else {
            sumBySlices(at, count);
        }
    }

    @Override
    public void allReduceAddRmsNorm(
            Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        allReduceSum(x);
        kernels.addRmsNorm(x, residual, weight, epsilon, out);
    }

    private void sumAtOnce(long at, int count) {
        int side = nextSide();
        MemorySegment.copy(memory, at, memory, layout.slot(rank, side), 4L * count);
        exchange(CallWord.allReduce(4L * count), at);
        for (int each = 0; each < sources.length; each++) {
            sources[each] = layout.slot(each, side);
        }
        RankSum.sum(memory, sources, at, count);
    }

    /// Piece by piece: rank r sums the r-th slice of every rank's piece into its slot; after the
    /// exchange nobody needs the own parts any more, and all copy the sums over them.
    private void sumBySlices(long at, int count) {
        long bytes = 4L * count;
        exchange(CallWord.allReduce(bytes), at);
        int most = size() * (RegionLayout.SLOT_BYTES / 4);
        for (int from = 0; from < count; from += most) {
            int piece = Math.min(most, count - from);
            int slice = sliceLength(piece);
            int side = nextSide();
            int start = Math.min(rank * slice, piece);
            for (int each = 0; each < sources.length; each++) {
                sources[each] = offsets[each] + 4L * (from + start);
            }
            RankSum.sum(memory, sources, layout.slot(rank, side), Math.min(slice, piece - start));
            exchange(CallWord.allReduce(bytes), at);
            for (int each = 0; each < sources.length; each++) {
                int theirs = Math.min(each * slice, piece);
                MemorySegment.copy(
                        memory,
                        layout.slot(each, side),
                        memory,
                        at + 4L * (from + theirs),
                        4L * Math.min(slice, piece - theirs));
            }
        }
    }

    /// Elements of a rank's slice; whole cache lines, the last ranks may get less.
    private int sliceLength(int piece) {
        int floatsInLine = ALIGNMENT / 4;
        int lines = (piece + floatsInLine - 1) / floatsInLine;
        return (lines + size() - 1) / size() * floatsInLine;
    }

    // Copies.

    @Override
    public void allGather(Tensor part, int[] columns, Tensor out) {
        Arguments.requireGather(part, columns, rank, size(), out);
        begin();
        int rows = out.rows();
        if (out.elements() == 0) {
            return;
        }
        long at = part.elements() == 0 ? layout.arena(rank) : offsetOf("part", part);
        exchange(CallWord.allGather(out.bytes()), at);
        int start = 0;
        for (int each = 0; each < columns.length; each++) {
            long rowBytes = 4L * columns[each];
            for (int row = 0; row < rows; row++) {
                MemorySegment.copy(
                        memory,
                        offsets[each] + row * rowBytes,
                        HOST,
                        out.pointer().address() + 4L * ((long) row * out.stride() + start),
                        rowBytes);
            }
            start += columns[each];
        }
        // The parts may be overwritten once all have read them.
        exchange(CallWord.allGather(out.bytes()), at);
    }

    @Override
    public void broadcast(Tensor x, int root) {
        Arguments.requireRank("root", root, size());
        Arguments.requireDense("x", x);
        begin();
        if (size() == 1) {
            return;
        }
        long address = x.pointer().address();
        for (long from = 0; from < x.bytes(); from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, x.bytes() - from);
            long slot = layout.slot(root, nextSide());
            if (rank == root) {
                MemorySegment.copy(HOST, address + from, memory, slot, piece);
            }
            exchange(CallWord.broadcast(x.bytes(), root), slot);
            if (rank != root) {
                MemorySegment.copy(memory, slot, HOST, address + from, piece);
            }
        }
    }

    @Override
    public void barrier() {
        begin();
        exchange(CallWord.barrier(), 0);
    }

    // Between two ranks: one outbox per rank, free again when its last receiver has taken it.

    @Override
    public void send(Tensor x, int peer) {
        Arguments.requirePeer(peer, rank, size());
        Arguments.requireDense("x", x);
        begin();
        long line = layout.pairLine(rank, peer);
        for (long from = 0; from < x.bytes(); from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, x.bytes() - from);
            awaitOutbox();
            MemorySegment.copy(
                    HOST, x.pointer().address() + from, memory, layout.outbox(rank), piece);
            region.writeLong(line + RegionLayout.SENT_BYTES, x.bytes());
            region.raise(line, ++sent[peer]);
            lastReceiver = peer;
            finishCall();
        }
    }

    private void awaitOutbox() {
        if (lastReceiver != NOBODY) {
            long line = layout.pairLine(rank, lastReceiver);
            await(line + RegionLayout.TAKEN, sent[lastReceiver], lastReceiver);
        }
    }

    @Override
    public void receive(Tensor x, int peer) {
        Arguments.requirePeer(peer, rank, size());
        Arguments.requireDense("x", x);
        begin();
        long line = layout.pairLine(peer, rank);
        for (long from = 0; from < x.bytes(); from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, x.bytes() - from);
            await(line, ++taken[peer], peer);
            long bytes = region.readLong(line + RegionLayout.SENT_BYTES);
            if (bytes != x.bytes()) {
                throw lostStep(
                        "rank %d sends %d bytes where rank %d receives %d"
                                .formatted(peer, bytes, rank, x.bytes()));
            }
            MemorySegment.copy(
                    memory, layout.outbox(peer), HOST, x.pointer().address() + from, piece);
            region.raise(line + RegionLayout.TAKEN, taken[peer]);
            finishCall();
        }
    }

    // The exchange.

    private void begin() {
        requireRunning();
        kernels.synchronize();
    }

    /// Which slot the next exchange uses.
    private int nextSide() {
        return (exchange + 1) & 1;
    }

    /// Says what this rank does and where its part lies, waits until all said the same, and leaves
    /// their places in [#offsets].
    private void exchange(CallWord call, long offset) {
        int side = nextSide();
        exchange++;
        long line = layout.rankLine(rank);
        region.writeLong(line + RegionLayout.CALLS + 8L * side, call.word());
        region.writeLong(line + RegionLayout.OFFSETS + 8L * side, offset);
        region.raise(line, exchange);
        for (int each = 0; each < offsets.length; each++) {
            long theirs = layout.rankLine(each);
            await(theirs, exchange, each);
            offsets[each] = region.readLong(theirs + RegionLayout.OFFSETS + 8L * side);
            CallWord theirCall =
                    new CallWord(region.readLong(theirs + RegionLayout.CALLS + 8L * side));
            if (!theirCall.equals(call)) {
                throw lostStep(
                        "rank %d calls %s while rank %d calls %s"
                                .formatted(each, theirCall, rank, call));
            }
        }
        finishCall();
    }

    private void finishCall() {
        region.writeLong(layout.rankLine(rank) + RegionLayout.CALLS_DONE, ++callsDone);
    }

    // Waiting.

    private void await(long flag, int value, int peer) {
        if (region.isReached(flag, value) || (waiting == Waiting.SPIN && spin(flag, value))) {
            return;
        }
        awaited = peer;
        try {
            while (!region.isReached(flag, value)) {
                requireRunning();
                if (hasLeft(peer) && !region.isReached(flag, value)) {
                    throw lostStep(
                            "rank %d closed its communicator while rank %d waits for it"
                                    .formatted(peer, rank));
                }
                region.sleep(flag, value);
            }
        } finally {
            awaited = NOBODY;
        }
    }

    private boolean spin(long flag, int value) {
        long start = System.nanoTime();
        while (System.nanoTime() - start < SPIN_NANOS) {
            for (int i = 0; i < 32; i++) {
                if (region.isReached(flag, value)) {
                    return true;
                }
                Thread.onSpinWait();
            }
        }
        return false;
    }

    private boolean hasLeft(int peer) {
        return region.readInt(layout.rankLine(peer) + RegionLayout.SEAT) == Formation.LEFT;
    }

    private void requireRunning() {
        if (region.isAborted()) {
            throw new CommunicatorAbortedException(region.abortReason().orElse("aborted"));
        }
    }

    /// Aborts, for the ranks no longer do the same.
    private CommunicatorAbortedException lostStep(String reason) {
        region.abort(reason);
        return new CommunicatorAbortedException(region.abortReason().orElse(reason));
    }

    private long offsetOf(String name, Tensor x) {
        long offset = x.pointer().address() - memory.address();
        long start = layout.arena(rank);
        if (offset < start || offset + x.bytes() > start + allocated) {
            throw new IllegalArgumentException(
                    "%s does not lie in memory that allocate() of this communicator gave"
                            .formatted(name));
        }
        return offset;
    }

    @Override
    public synchronized void abort(String reason) {
        if (!closed) {
            region.abort("aborted by rank %d: %s".formatted(rank, reason));
        }
    }

    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        watch.close();
        region.writeInt(layout.rankLine(rank) + RegionLayout.SEAT, Formation.LEFT);
        region.close();
    }

    @SuppressWarnings("restricted")
    private static MemorySegment hostMemory() {
        return MemorySegment.NULL.reinterpret(Long.MAX_VALUE);
    }
}
