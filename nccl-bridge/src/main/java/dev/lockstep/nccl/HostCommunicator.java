// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/// A communicator of the ranks of one host, one process each, through shared memory; for kernels
/// whose tensors are in host memory.
///
/// Every collective is built on one [Barrier]: in an exchange, a rank writes what others need,
/// arrives, and waits for all. A slot written for one exchange is written again two exchanges
/// later, when every rank has arrived at the exchange between them and so has read it; therefore
/// each rank has two slots.
///
/// Sums are in rank order in fp32, element by element, so the bits depend neither on the size of a
/// message nor on how it is cut (law 6). The step thread calls and closes; any thread may call
/// [#abort].
public final class HostCommunicator implements Communicator {
    /// Up to this many bytes over all ranks, each rank sums everything after one exchange; above
    /// it, each rank sums a slice after one exchange and reads the other slices after a second.
    private static final int ONE_SHOT_BYTES = 128 * 1024;

    private static final int ALIGNMENT = 64;

    private static final MemorySegment HOST = hostMemory();

    private final SharedRegion region;
    private final MemorySegment memory;
    private final RegionLayout layout;
    private final int rank;
    private final Kernels kernels;
    private final Barrier barrier;
    private final Mailbox mailbox;
    private final PeerWatch watch;
    private boolean closed;

    private long allocated;
    private final long[] sources;

    private HostCommunicator(SharedRegion region, int rank, Kernels kernels, Waiting waiting) {
        this.region = region;
        this.memory = region.memory();
        this.layout = region.layout();
        this.rank = rank;
        this.kernels = kernels;
        this.barrier = new Barrier(region, rank, waiting);
        this.mailbox = new Mailbox(region, rank, barrier);
        this.sources = new long[layout.size()];
        this.watch = new PeerWatch(region, rank, kernels::progress, barrier::awaited);
    }

    /// Forms the group; throws [RendezvousException] naming the ranks that did not come in time or
    /// the setting that differs, and [CommunicatorAbortedException] if nobody wants the group.
    /// Nothing is left in the file system when it returns or throws.
    ///
    /// @param bytes the total that [#allocate] can allocate, equal on all ranks
    public static HostCommunicator open(
            Rendezvous rendezvous,
            int rank,
            long bytes,
            Kernels kernels,
            Waiting waiting,
            Meeting meeting) {
        SharedRegion region = new Formation(rendezvous, rank, bytes, meeting).join();
        var communicator = new HostCommunicator(region, rank, kernels, waiting);
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

    /// Returns the bytes that [#allocate] uses for a buffer of `bytes`; open the communicator with
    /// the sum over all buffers.
    public static long aligned(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    // Sums.

    @Override
    public void allReduceSum(Tensor x) {
        Preconditions.requireDense("x", x);
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
        int side = barrier.nextSide();
        MemorySegment.copy(memory, at, memory, layout.slot(rank, side), 4L * count);
        barrier.arriveAndWait(CallWord.allReduce(4L * count), at);
        for (int each = 0; each < sources.length; each++) {
            sources[each] = layout.slot(each, side);
        }
        sum(at, count);
    }

    /// Sums piece by piece: rank r sums the r-th slice of every rank's piece into its slot; after
    /// the exchange no rank needs the original parts, and every rank copies the sums over its own.
    /// Every exchange of one sum publishes the same offset.
    private void sumBySlices(long at, int count) {
        long bytes = 4L * count;
        long[] parts = barrier.arriveAndWait(CallWord.allReduce(bytes), at);
        int maxPiece = size() * (RegionLayout.SLOT_BYTES / 4);
        for (int from = 0; from < count; from += maxPiece) {
            int piece = Math.min(maxPiece, count - from);
            int slice = sliceLength(piece);
            int side = barrier.nextSide();
            int start = Math.min(rank * slice, piece);
            for (int each = 0; each < sources.length; each++) {
                sources[each] = parts[each] + 4L * (from + start);
            }
            sum(layout.slot(rank, side), Math.min(slice, piece - start));
            barrier.arriveAndWait(CallWord.allReduce(bytes), at);
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

    /// Computes `target[i] = sources[0][i] + sources[1][i] + …` in fp32 and in this order, which
    /// makes the bits independent of which rank sums which slice (law 6). Offsets are bytes into
    /// the region; `target` is none of the sources.
    private void sum(long target, int count) {
        MemorySegment.copy(memory, sources[0], memory, target, 4L * count);
        for (int each = 1; each < sources.length; each++) {
            kernels.addOnHost(memory.address() + target, memory.address() + sources[each], count);
        }
    }

    /// Returns the elements of a rank's slice: whole cache lines; the last ranks may have fewer.
    private int sliceLength(int piece) {
        int floatsInLine = ALIGNMENT / 4;
        int lines = (piece + floatsInLine - 1) / floatsInLine;
        return (lines + size() - 1) / size() * floatsInLine;
    }

    // Copies.

    /// The others publish their parts, the root reads them.
    @Override
    public void gather(Tensor part, int[] columns, int root, Tensor out) {
        Preconditions.requireGather(part, columns, root, rank, size(), out);
        begin();
        long bytes = 4L * part.rows() * Arrays.stream(columns).sum();
        if (bytes == 0) {
            return;
        }
        long at = part.elements() == 0 ? layout.arena(rank) : offsetOf("part", part);
        long[] parts = barrier.arriveAndWait(CallWord.gather(bytes, root), at);
        if (rank == root) {
            readParts(parts, columns, out);
        }
        // The parts may be overwritten once the root has read them.
        barrier.arriveAndWait(CallWord.gather(bytes, root), at);
    }

    private void readParts(long[] parts, int[] columns, Tensor out) {
        int start = 0;
        for (int each = 0; each < columns.length; each++) {
            long rowBytes = 4L * columns[each];
            for (int row = 0; row < out.rows(); row++) {
                MemorySegment.copy(
                        memory,
                        parts[each] + row * rowBytes,
                        HOST,
                        out.pointer().address() + 4L * ((long) row * out.stride() + start),
                        rowBytes);
            }
            start += columns[each];
        }
    }

    @Override
    public void broadcast(Tensor x, int root) {
        Preconditions.requireRank("root", root, size());
        Preconditions.requireDense("x", x);
        begin();
        if (size() == 1) {
            return;
        }
        long address = x.pointer().address();
        for (long from = 0; from < x.bytes(); from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, x.bytes() - from);
            long slot = layout.slot(root, barrier.nextSide());
            if (rank == root) {
                MemorySegment.copy(HOST, address + from, memory, slot, piece);
            }
            barrier.arriveAndWait(CallWord.broadcast(x.bytes(), root), slot);
            if (rank != root) {
                MemorySegment.copy(memory, slot, HOST, address + from, piece);
            }
        }
    }

    @Override
    public long waitedNanos() {
        return barrier.waitedNanos();
    }

    @Override
    public void barrier() {
        begin();
        barrier.arriveAndWait(CallWord.barrier(), 0);
    }

    // Point to point.

    @Override
    public void send(Tensor x, int peer) {
        Preconditions.requirePeer(peer, rank, size());
        Preconditions.requireDense("x", x);
        begin();
        mailbox.send(HOST, x.pointer().address(), x.bytes(), peer);
    }

    @Override
    public void receive(Tensor x, int peer) {
        Preconditions.requirePeer(peer, rank, size());
        Preconditions.requireDense("x", x);
        begin();
        mailbox.receive(HOST, x.pointer().address(), x.bytes(), peer);
    }

    /// Throws if the group is aborted; waits for the kernels, which may still compute what is to be
    /// read.
    private void begin() {
        barrier.requireRunning();
        kernels.synchronize();
    }

    private long offsetOf(String name, Tensor x) {
        long offset = x.pointer().address() - memory.address();
        long start = layout.arena(rank);
        if (offset < start || offset + x.bytes() > start + allocated) {
            throw new IllegalArgumentException(
                    "%s is not in memory that allocate() of this communicator returned"
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
    public void requireRunning() {
        barrier.requireRunning();
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
