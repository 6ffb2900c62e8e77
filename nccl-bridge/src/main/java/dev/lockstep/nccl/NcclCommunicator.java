// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cuda.Cuda;
import dev.lockstep.kernels.cuda.CudaStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;

/// A communicator of ranks with a GPU each, one process per rank, through NCCL.
///
/// Collectives are enqueued to the stream of the kernels and may be recorded with them; only
/// [#barrier], [#open] and [#close] wait. An abort ends the collectives that wait on the device
/// with undefined values, so a step calls [#requireRunning] once it has completed. Where a peer is
/// lost this rank aborts itself after 5 s without progress, see [CollectiveWatch].
///
/// The step thread calls and closes, before its [Kernels]; any thread may call [#abort].
public final class NcclCommunicator implements Communicator {
    private static final Logger LOG = LogManager.getLogger(NcclCommunicator.class);
    private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(2);
    private static final long POLL_NANOS = 20_000;

    private final Nccl nccl;
    private final CudaStream stream;
    private final Kernels kernels;
    private final int rank;
    private final int size;
    private final Duration timeout;
    private final CollectiveWatch watch;
    private final List<DeviceBuffer> buffers = new ArrayList<>();
    private final Tensor arrivals;

    /// Guards every call of [#nccl] and `ended`: nobody may call NCCL once an abort has begun.
    private final Object calls = new Object();

    private boolean ended;
    private volatile String abortReason = "";
    private volatile boolean waiting;

    private NcclCommunicator(
            Nccl nccl,
            CudaStream stream,
            Kernels kernels,
            int rank,
            int size,
            BooleanSupplier awaited,
            Duration timeout) {
        this.nccl = nccl;
        this.stream = stream;
        this.kernels = kernels;
        this.rank = rank;
        this.size = size;
        this.timeout = timeout;
        this.arrivals = allocate(Integer.BYTES).tensor(0, DType.I32, 1, 1);
        this.watch =
                new CollectiveWatch(
                        rank,
                        kernels::progress,
                        () -> waiting || awaited.getAsBoolean(),
                        this::poll,
                        this::abortAs);
    }

    /// Meets the other ranks; throws [RendezvousException] if they do not come within `timeout`.
    ///
    /// @param stream on which the kernels run
    /// @param id which [Nccl#uniqueId] created for these ranks alone
    /// @param awaited whether a thread waits for the device; any thread may call it
    /// @param timeout to meet, and later to connect for the first collective of a kind
    public static NcclCommunicator open(
            Cuda cuda,
            CudaStream stream,
            Kernels kernels,
            byte[] id,
            int rank,
            int size,
            BooleanSupplier awaited,
            Duration timeout) {
        Preconditions.requireRank("rank", rank, size);
        Nccl nccl = Nccl.begin(cuda, id, size, rank);
        try {
            if (!becomesReady(nccl, timeout)) {
                throw new RendezvousException(
                        "rank %d of %d did not meet all others through NCCL within %d s"
                                .formatted(rank, size, timeout.toSeconds()));
            }
            var communicator =
                    new NcclCommunicator(nccl, stream, kernels, rank, size, awaited, timeout);
            communicator.watch.start();
            return communicator;
        } catch (NcclException e) {
            nccl.abort();
            throw new RendezvousException("rank %d: %s".formatted(rank, e.getMessage()), e);
        } catch (RuntimeException e) {
            nccl.abort();
            throw e;
        }
    }

    private static boolean becomesReady(Nccl nccl, Duration timeout) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!nccl.isReady()) {
            if (System.nanoTime() - deadline > 0) {
                return false;
            }
            LockSupport.parkNanos(POLL_NANOS);
        }
        return true;
    }

    @Override
    public int rank() {
        return rank;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        DeviceBuffer buffer = kernels.allocate(bytes);
        buffers.add(buffer);
        return buffer;
    }

    // Sums.

    @Override
    public void allReduceSum(Tensor x) {
        Preconditions.requireDense("x", x);
        if (x.type() != DType.F32) {
            x.require("x", kernels.activationType(), x.rows(), x.columns());
        }
        if (x.elements() == 0) {
            requireRunning();
            return;
        }
        sum(x);
    }

    private void sum(Tensor x) {
        boolean done;
        synchronized (calls) {
            requireRunning();
            try {
                done = nccl.allReduceSum(x.pointer(), x.pointer(), x.elements(), x.type(), stream);
            } catch (NcclException e) {
                throw failed(e);
            }
        }
        awaitEnqueued(done);
    }

    @Override
    public void allReduceAddRmsNorm(
            Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        allReduceSum(x);
        kernels.addRmsNorm(x, residual, weight, epsilon, out);
    }

    // Copies.

    /// The root receives each row of each part where it belongs, so that nothing is copied twice
    /// and no part may be larger than memory kept for it.
    @Override
    public void gather(Tensor part, int[] columns, int root, Tensor out) {
        Preconditions.requireGather(part, columns, root, rank, size, out);
        if (rank == root && part.elements() > 0 && !part.equals(out)) {
            int start = start(columns, root);
            kernels.copy(part, out.columns(start, start + columns[root]));
        }
        boolean done;
        synchronized (calls) {
            requireRunning();
            try {
                done = rank == root ? receiveParts(columns, out) : sendPart(part, root);
            } catch (NcclException e) {
                throw failed(e);
            }
        }
        awaitEnqueued(done);
    }

    private boolean receiveParts(int[] columns, Tensor out) {
        boolean done;
        nccl.beginGroup();
        try {
            int start = 0;
            for (int from = 0; from < size; from++) {
                long bytes = (long) columns[from] * DType.F32.bytes();
                for (int row = 0; row < out.rows() && from != rank && bytes > 0; row++) {
                    long at = ((long) row * out.stride() + start) * DType.F32.bytes();
                    nccl.receive(out.pointer().plus(at), bytes, from, stream);
                }
                start += columns[from];
            }
        } finally {
            done = nccl.endGroup();
        }
        return done;
    }

    private boolean sendPart(Tensor part, int root) {
        boolean done;
        nccl.beginGroup();
        try {
            long bytes = (long) part.columns() * DType.F32.bytes();
            for (int row = 0; row < part.rows() && bytes > 0; row++) {
                nccl.send(part.pointer().plus(row * bytes), bytes, root, stream);
            }
        } finally {
            done = nccl.endGroup();
        }
        return done;
    }

    private static int start(int[] columns, int rank) {
        int start = 0;
        for (int each = 0; each < rank; each++) {
            start += columns[each];
        }
        return start;
    }

    @Override
    public void broadcast(Tensor x, int root) {
        Preconditions.requireRank("root", root, size);
        Preconditions.requireDense("x", x);
        if (x.bytes() == 0) {
            requireRunning();
            return;
        }
        boolean done;
        synchronized (calls) {
            requireRunning();
            try {
                done = nccl.broadcast(x.pointer(), x.bytes(), root, stream);
            } catch (NcclException e) {
                throw failed(e);
            }
        }
        awaitEnqueued(done);
    }

    @Override
    public void send(Tensor x, int peer) {
        exchange(x, peer, true);
    }

    @Override
    public void receive(Tensor x, int peer) {
        exchange(x, peer, false);
    }

    private void exchange(Tensor x, int peer, boolean sends) {
        Preconditions.requirePeer(peer, rank, size);
        Preconditions.requireDense("x", x);
        if (x.bytes() == 0) {
            requireRunning();
            return;
        }
        boolean done;
        synchronized (calls) {
            requireRunning();
            try {
                done =
                        sends
                                ? nccl.send(x.pointer(), x.bytes(), peer, stream)
                                : nccl.receive(x.pointer(), x.bytes(), peer, stream);
            } catch (NcclException e) {
                throw failed(e);
            }
        }
        awaitEnqueued(done);
    }

    @Override
    public void barrier() {
        waiting = true;
        try {
            sum(arrivals);
            kernels.synchronize();
        } finally {
            waiting = false;
        }
        requireRunning();
    }

    /// Waits until NCCL has enqueued what it was given; nothing else may be enqueued before.
    /// Connecting to peers for the first time takes longer than any wait in a step.
    private void awaitEnqueued(boolean alreadyDone) {
        boolean done = alreadyDone;
        long start = System.nanoTime();
        while (!done) {
            LockSupport.parkNanos(POLL_NANOS);
            synchronized (calls) {
                requireRunning();
                try {
                    done = nccl.isReady();
                } catch (NcclException e) {
                    throw failed(e);
                }
            }
            if (!done && System.nanoTime() - start > timeout.toNanos()) {
                abortAs(
                        "rank %d did not connect to its peers within %d s"
                                .formatted(rank, timeout.toSeconds()));
            }
        }
    }

    // Errors.

    @Override
    public void requireRunning() {
        String reason = abortReason;
        if (!reason.isEmpty()) {
            throw new CommunicatorAbortedException(reason);
        }
    }

    @Override
    public void abort(String reason) {
        abortAs("aborted by rank %d: %s".formatted(rank, reason));
    }

    /// Asks NCCL for errors that came up since its calls returned.
    private void poll() {
        synchronized (calls) {
            if (!ended) {
                boolean ready = nccl.isReady();
                LOG.trace("rank {} asked NCCL: ready {}", rank, ready);
            }
        }
    }

    private CommunicatorAbortedException failed(NcclException failure) {
        abortAs("rank %d: %s".formatted(rank, failure.getMessage()));
        return new CommunicatorAbortedException(abortReason);
    }

    /// Aborts with the first reason given; collectives on the device end, those of peers do not.
    private void abortAs(String reason) {
        synchronized (calls) {
            if (ended) {
                return;
            }
            ended = true;
            abortReason = reason;
            try {
                nccl.abort();
            } catch (NcclException e) {
                LOG.warn("rank {} could not abort its collectives", rank, e);
            }
        }
    }

    /// Waits until the ranks have used what this one sent; aborts if they do not.
    @Override
    public void close() {
        synchronized (calls) {
            if (ended && buffers.isEmpty()) {
                return;
            }
        }
        if (abortReason.isEmpty()) {
            finish();
        }
        watch.close();
        buffers.forEach(DeviceBuffer::close);
        buffers.clear();
    }

    private void finish() {
        waiting = true;
        try {
            kernels.synchronize();
            synchronized (calls) {
                if (ended) {
                    return;
                }
                nccl.finish();
                if (becomesReady(nccl, CLOSE_TIMEOUT)) {
                    nccl.destroy();
                    ended = true;
                    abortReason = "rank %d has closed its communicator".formatted(rank);
                    return;
                }
            }
            abortAs("rank %d closed its communicator before its peers".formatted(rank));
        } catch (NcclException e) {
            abortAs("rank %d: %s".formatted(rank, e.getMessage()));
        } finally {
            waiting = false;
        }
    }
}
