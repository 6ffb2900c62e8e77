package dev.lockstep.nccl;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Tensor;

/// Collectives among the ranks of one group.
///
/// Every rank calls the same collectives in the same order with equal shapes, from its step thread.
/// When a collective returns all ranks hold equal bits, and a rerun gives them again; the host
/// implementation also promises rank-ordered fp32 sums that do not depend on message size. A
/// collective that cannot finish because a peer is gone or [#abort] was called throws
/// [CommunicatorAbortedException] within 5 s on every rank.
public interface Communicator extends AutoCloseable {

    int rank();

    int size();

    /// Memory collectives work on in place. Every rank allocates the same sizes in the same order;
    /// closing the communicator frees it.
    DeviceBuffer allocate(long bytes);

    /// Sums `x` over all ranks in place.
    ///
    /// @param x dense, F32 or what the device computes in, from [#allocate]
    void allReduceSum(Tensor x);

    /// `residual += Σ x over ranks`, then `out = rmsNorm(residual) · weight`: what follows every
    /// row-parallel layer.
    ///
    /// @param x `[T, H]` partial sums of this rank, from [#allocate]; left undefined
    /// @param residual `[T, H]`, equal on all ranks
    /// @param out `[T, H]`
    void allReduceAddRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out);

    /// Puts each rank's columns side by side.
    ///
    /// @param part `[n, columns[rank]]` F32, dense, from [#allocate]
    /// @param columns how many columns each rank has; zeros allowed
    /// @param out `[n, Σ columns]`, complete on every rank
    void allGather(Tensor part, int[] columns, Tensor out);

    /// Root's `x` on every rank; dense, any memory, any type.
    void broadcast(Tensor x, int root);

    /// Gives `x` to `peer`, which receives as many bytes; dense, any memory, any type. `x` may be
    /// reused when it returns. Waits, where the peer does not come, until it does: two ranks that
    /// first send to each other may wait for ever and are aborted.
    void send(Tensor x, int peer);

    /// What `peer` sends, into `x`.
    void receive(Tensor x, int peer);

    void barrier();

    /// Makes every collective in progress or still to come fail on all ranks. Any thread may call
    /// it, more than once.
    void abort(String reason);

    @Override
    void close();
}
