// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Tensor;

/// Collectives among the ranks of one group.
///
/// Every rank calls the same collectives in the same order with equal shapes, from its step thread.
/// Sums and broadcasts leave equal bits on all ranks, and a rerun gives the same bits; the host
/// implementation also guarantees rank-ordered fp32 sums that do not depend on message size. A
/// collective that cannot finish because a peer is gone or [#abort] was called throws
/// [CommunicatorAbortedException] on every rank, within 5 s once the group has formed.
public interface Communicator extends AutoCloseable {

    long UNKNOWN = -1;

    int rank();

    int size();

    /// Allocates memory on which collectives work in place. Every rank allocates the same sizes in
    /// the same order; closing the communicator frees it.
    DeviceBuffer allocate(long bytes);

    /// Sums `x` over all ranks in place.
    ///
    /// @param x dense, F32 or what the device computes in, from [#allocate]
    void allReduceSum(Tensor x);

    /// Computes `residual += Σ x over ranks`, then `out = rmsNorm(residual) · weight`, as every
    /// row-parallel layer needs.
    ///
    /// @param x `[T, H]` partial sums of this rank, from [#allocate]; left undefined
    /// @param residual `[T, H]`, equal on all ranks
    /// @param out `[T, H]`
    void allReduceAddRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out);

    /// Concatenates the columns of all ranks on the root.
    ///
    /// @param part `[n, columns[rank]]` F32, dense, from [#allocate]; a single rank may pass `out`
    ///   and copies nothing
    /// @param columns the number of columns of each rank; zeros allowed
    /// @param out `[n, Σ columns]` F32 on the root; on other ranks any tensor, which stays as it is
    void gather(Tensor part, int[] columns, int root, Tensor out);

    /// Copies the root's `x` to every rank; dense, any memory, any type.
    void broadcast(Tensor x, int root);

    /// Sends `x` to `peer`, which must receive the same number of bytes; dense, any memory, any
    /// type. `x` may be reused when the call returns. The call may block until the peer receives:
    /// two ranks that both send first may block each other and are aborted.
    void send(Tensor x, int peer);

    /// Receives into `x` what `peer` sends.
    void receive(Tensor x, int peer);

    void barrier();

    /// Reports that the ranks have warmed up and nothing is left to compile. A communicator that
    /// takes a device without progress for a lost peer is more patient before.
    default void formed() {}

    /// Returns the time for which this rank has waited for others in collectives so far, on its
    /// step thread; [#UNKNOWN] where a device runs them.
    default long waitedNanos() {
        return UNKNOWN;
    }

    /// Makes every current and later collective fail on all ranks. Any thread may call it, more
    /// than once.
    void abort(String reason);

    /// Throws [CommunicatorAbortedException] if the group is aborted. Where collectives run on a
    /// device, the ops that follow one that was aborted have read undefined values, so a step asks
    /// once it has completed.
    void requireRunning();

    @Override
    void close();
}
