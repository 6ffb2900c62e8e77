// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.Tensor;

/// The communicator of a group of one rank: nothing to sum, no rank to wait for.
///
/// The step thread closes it, before its [Kernels].
public final class SoloCommunicator implements Communicator {
    private final Kernels kernels;
    private final Owned buffers = new Owned();
    private volatile String abortReason = "";

    public SoloCommunicator(Kernels kernels) {
        this.kernels = kernels;
    }

    @Override
    public int rank() {
        return 0;
    }

    @Override
    public int size() {
        return 1;
    }

    @Override
    public DeviceBuffer allocate(long bytes) {
        return buffers.add(kernels.allocate(bytes), DeviceBuffer::close);
    }

    @Override
    public void allReduceSum(Tensor x) {
        requireRunning();
    }

    @Override
    public void allReduceAddRmsNorm(
            Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        requireRunning();
        kernels.addRmsNorm(x, residual, weight, epsilon, out);
    }

    @Override
    public void gather(Tensor part, int[] columns, int root, Tensor out) {
        Preconditions.requireGather(part, columns, root, 0, 1, out);
        requireRunning();
        if (!part.equals(out) && part.elements() > 0) {
            kernels.copy(part, out);
        }
    }

    @Override
    public void broadcast(Tensor x, int root) {
        Preconditions.requireRank("root", root, 1);
        requireRunning();
    }

    @Override
    public void send(Tensor x, int peer) {
        Preconditions.requirePeer(peer, 0, 1);
    }

    @Override
    public void receive(Tensor x, int peer) {
        Preconditions.requirePeer(peer, 0, 1);
    }

    @Override
    public void barrier() {
        requireRunning();
    }

    @Override
    public synchronized void abort(String reason) {
        if (abortReason.isEmpty()) {
            abortReason = "aborted by rank 0: " + reason;
        }
    }

    @Override
    public void requireRunning() {
        String reason = abortReason;
        if (!reason.isEmpty()) {
            throw new CommunicatorAbortedException(reason);
        }
    }

    @Override
    public void close() {
        buffers.close();
    }
}
