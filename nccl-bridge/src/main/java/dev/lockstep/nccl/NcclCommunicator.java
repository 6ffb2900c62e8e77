// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.DeviceLostException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cuda.Cuda;
import dev.lockstep.kernels.cuda.CudaStream;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.jspecify.annotations.Nullable;

/// A communicator of ranks with a GPU each, one process per rank, through NCCL.
///
/// Collectives are enqueued to the stream of the kernels and may be recorded with them once each
/// was run: a first one connects ranks. Only [#barrier], [#open] and [#close] wait for the device.
/// An abort ends the collectives that wait there with undefined values, so a step calls
/// [#requireRunning] once it has completed. Where a peer is lost this rank aborts itself, see
/// [CollectiveWatch].
///
/// The step thread calls and closes, before its [Kernels] and after all recordings; any thread may
/// call [#abort].
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
    private final Owned buffers = new Owned();
    private final Tensor arrivals;
    private final NcclGather gather;

    /// Guards every call of [#nccl] and `ended`: nobody may call NCCL once it ends.
    private final Object calls = new Object();

    private boolean ended;
    private volatile String abortReason = "";

    /// The thread that aborts. NCCL returns from it only once every recording of a collective is
    /// closed, which the thread that asks for the abort may be about to do.
    private volatile @Nullable Thread aborting;

    private boolean closed;

    private NcclCommunicator(
            Nccl nccl,
            CudaStream stream,
            Kernels kernels,
            int rank,
            int size,
            BooleanSupplier busy,
            Duration timeout,
            Duration patience) {
        this.nccl = nccl;
        this.stream = stream;
        this.kernels = kernels;
        this.rank = rank;
        this.size = size;
        this.timeout = timeout;
        this.arrivals = allocate(Integer.BYTES).tensor(0, DType.I32, 1, 1);
        this.gather = new NcclGather(nccl, stream, kernels, rank);
        this.watch =
                new CollectiveWatch(
                        rank,
                        kernels::attachThread,
                        patience,
                        kernels::progress,
                        busy,
                        this::poll,
                        this::abortAs);
    }

    /// Meets the other ranks; throws [RendezvousException] if they do not come in time, and
    /// [CommunicatorAbortedException] if nobody wants the group any more.
    ///
    /// @param stream on which the kernels run
    /// @param id which [Nccl#uniqueId] created for these ranks alone
    /// @param busy whether the device has work that it has not finished; any thread that is
    ///   attached may call it
    /// @param meeting whose time-out is also that of connecting for the first collective of a kind
    public static NcclCommunicator open(
            Cuda cuda,
            CudaStream stream,
            Kernels kernels,
            byte[] id,
            int rank,
            int size,
            BooleanSupplier busy,
            Meeting meeting) {
        return open(cuda, stream, kernels, id, rank, size, busy, meeting, CollectiveWatch.PATIENCE);
    }

    /// @param patience how long the device may be busy without progress once the group has formed
    static NcclCommunicator open(
            Cuda cuda,
            CudaStream stream,
            Kernels kernels,
            byte[] id,
            int rank,
            int size,
            BooleanSupplier busy,
            Meeting meeting,
            Duration patience) {
        Preconditions.requireRank("rank", rank, size);
        Nccl nccl = Nccl.begin(cuda, id, size, rank);
        try {
            if (!becomesReady(nccl, meeting.timeout(), () -> meeting.requireWanted(rank))) {
                throw new RendezvousException(
                        "rank %d of %d did not meet all others through NCCL within %d s"
                                .formatted(rank, size, meeting.timeout().toSeconds()));
            }
            var communicator =
                    new NcclCommunicator(
                            nccl, stream, kernels, rank, size, busy, meeting.timeout(), patience);
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

    /// @param meanwhile runs between questions, and may throw
    private static boolean becomesReady(Nccl nccl, Duration timeout, Runnable meanwhile) {
        long deadline = System.nanoTime() + timeout.toNanos();
        while (!nccl.isReady()) {
            meanwhile.run();
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
        return buffers.add(kernels.allocate(bytes), DeviceBuffer::close);
    }

    // Sums.

    @Override
    public void allReduceSum(Tensor x) {
        Preconditions.requireDense("x", x);
        if (x.type() != DType.F32) {
            x.require("x", kernels.activationType(), x.rows(), x.columns());
        }
        sum(x);
    }

    private void sum(Tensor x) {
        if (x.elements() == 0) {
            requireRunning();
            return;
        }
        enqueue(() -> nccl.allReduceSum(x.pointer(), x.pointer(), x.elements(), x.type(), stream));
    }

    @Override
    public void allReduceAddRmsNorm(
            Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        allReduceSum(x);
        kernels.addRmsNorm(x, residual, weight, epsilon, out);
    }

    // Copies.

    @Override
    public void gather(Tensor part, int[] columns, int root, Tensor out) {
        Preconditions.requireGather(part, columns, root, rank, size, out);
        requireRunning();
        gather.run(part, columns, root, out, this::enqueue);
    }

    @Override
    public void broadcast(Tensor x, int root) {
        Preconditions.requireRank("root", root, size);
        move(x, () -> nccl.broadcast(x.pointer(), x.bytes(), root, stream));
    }

    @Override
    public void send(Tensor x, int peer) {
        Preconditions.requirePeer(peer, rank, size);
        move(x, () -> nccl.send(x.pointer(), x.bytes(), peer, stream));
    }

    @Override
    public void receive(Tensor x, int peer) {
        Preconditions.requirePeer(peer, rank, size);
        move(x, () -> nccl.receive(x.pointer(), x.bytes(), peer, stream));
    }

    private void move(Tensor x, BooleanSupplier call) {
        Preconditions.requireDense("x", x);
        if (x.bytes() == 0) {
            requireRunning();
            return;
        }
        enqueue(call);
    }

    @Override
    public void barrier() {
        sum(arrivals);
        kernels.synchronize();
        requireRunning();
    }

    @Override
    public void formed() {
        watch.formed();
    }

    /// Makes a call of NCCL and waits until it has enqueued what it was given; nothing else may be
    /// enqueued before. Connecting to peers for the first time takes longer than any wait in a
    /// step.
    ///
    /// @param call returns whether it is done already
    private void enqueue(BooleanSupplier call) {
        boolean done = called(call);
        long start = System.nanoTime();
        while (!done) {
            LockSupport.parkNanos(POLL_NANOS);
            done = called(nccl::isReady);
            if (!done && System.nanoTime() - start > timeout.toNanos()) {
                abortAs(
                        "rank %d did not connect to its peers within %d s"
                                .formatted(rank, timeout.toSeconds()));
            }
        }
    }

    private boolean called(BooleanSupplier call) {
        synchronized (calls) {
            requireRunning();
            try {
                return call.getAsBoolean();
            } catch (NcclException e) {
                abortAs("rank %d: %s".formatted(rank, e.getMessage()));
                throw new CommunicatorAbortedException(abortReason);
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

    /// Aborts with the first reason given; collectives on the device end, those of peers do not.
    private void abortAs(String reason) {
        synchronized (calls) {
            if (ended) {
                return;
            }
            ended = true;
            abortReason = reason;
            aborting =
                    Thread.ofPlatform()
                            .daemon()
                            .name("collective-abort-" + rank)
                            .start(this::abortNccl);
        }
    }

    private void abortNccl() {
        try {
            kernels.attachThread();
            nccl.abort();
        } catch (RuntimeException e) {
            LOG.warn("rank {} could not abort its collectives", rank, e);
        }
    }

    /// Waits until the ranks have used what this one sent; aborts if they do not.
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        try {
            finish();
        } finally {
            awaitAbort();
            watch.close();
            try (buffers) {
                gather.close();
            }
        }
    }

    private void finish() {
        try {
            if (abortReason.isEmpty()) {
                kernels.synchronize();
            }
            synchronized (calls) {
                if (ended) {
                    return;
                }
                nccl.finish();
                if (becomesReady(nccl, CLOSE_TIMEOUT, () -> {})) {
                    ended = true;
                    abortReason = "rank %d has closed its communicator".formatted(rank);
                } else {
                    abortAs("rank %d closed its communicator before its peers".formatted(rank));
                    return;
                }
            }
            nccl.destroy();
        } catch (DeviceLostException e) {
            abortAs("rank %d: %s".formatted(rank, e.getMessage()));
            throw e;
        } catch (RuntimeException e) {
            LOG.warn("rank {} could not end its collectives", rank, e);
            abortAs("rank %d: %s".formatted(rank, e.getMessage()));
        }
    }

    private void awaitAbort() {
        Thread thread = aborting;
        if (thread == null) {
            return;
        }
        try {
            if (!thread.join(CLOSE_TIMEOUT)) {
                LOG.warn("rank {} still waits for NCCL, which has not ended", rank);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
