// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.nccl.Communicator;
import java.util.ArrayList;
import java.util.List;

/// The communicator of a rank that measures a step before it has met the others: collectives take
/// their memory and move nothing.
final class AbsentPeers implements Communicator {
    private final Kernels kernels;
    private final int rank;
    private final int size;
    private final List<DeviceBuffer> buffers = new ArrayList<>();

    AbsentPeers(Kernels kernels, int rank, int size) {
        this.kernels = kernels;
        this.rank = rank;
        this.size = size;
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

    @Override
    public void allReduceSum(Tensor x) {
        // The sum is this rank's own part.
    }

    @Override
    public void allReduceAddRmsNorm(
            Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        kernels.addRmsNorm(x, residual, weight, epsilon, out);
    }

    @Override
    public void gather(Tensor part, int[] columns, int root, Tensor out) {
        // The root keeps the zeros of its buffer.
    }

    @Override
    public void broadcast(Tensor x, int root) {
        // The other ranks keep the zeros of their buffer, which is an id of every vocabulary.
    }

    @Override
    public void send(Tensor x, int peer) {
        throw noPeer(peer);
    }

    @Override
    public void receive(Tensor x, int peer) {
        throw noPeer(peer);
    }

    @Override
    public void barrier() {
        // Nobody to wait for.
    }

    @Override
    public void abort(String reason) {
        // Nobody waits.
    }

    @Override
    public void requireRunning() {
        // Nobody aborts.
    }

    @Override
    public void close() {
        buffers.forEach(DeviceBuffer::close);
        buffers.clear();
    }

    private static UnsupportedOperationException noPeer(int peer) {
        return new UnsupportedOperationException("rank %d has not been met".formatted(peer));
    }
}
