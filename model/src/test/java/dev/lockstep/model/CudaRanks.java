// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cuda.CudaDevice;
import dev.lockstep.kernels.cuda.CudaKernels;
import dev.lockstep.kernels.cuda.CudaProbe;
import dev.lockstep.kernels.cuda.CudaUnderTest;
import dev.lockstep.nccl.Communicator;
import dev.lockstep.nccl.Meeting;
import dev.lockstep.nccl.Nccl;
import dev.lockstep.nccl.NcclCommunicator;
import dev.lockstep.nccl.SoloCommunicator;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// Ranks on CUDA devices, emulated unless a property says otherwise, which exchange through NCCL.
final class CudaRanks implements TestRanks {
    private static final Duration TIMEOUT = Duration.ofMinutes(2);

    private final CompletableFuture<byte[]> id = new CompletableFuture<>();

    /// Ranks that are threads of this process.
    CudaRanks() {}

    /// A rank whose others are in other processes.
    ///
    /// @param id which NCCL made for them
    CudaRanks(byte[] id) {
        this.id.complete(id);
    }

    @Override
    public DeviceCapabilities capabilities() {
        CudaDevice device = CudaProbe.run(CudaUnderTest.search()).require(0);
        return DeviceCapabilities.ofCuda(device.major(), device.minor());
    }

    @Override
    public Kernels open(int rank, ComputeTypes types) {
        return CudaUnderTest.open(rank, types.compute());
    }

    /// Few: an emulated device guards every page of its memory.
    @Override
    public int blocks() {
        return 32;
    }

    @Override
    public Communicator meet(int rank, int size, long bytes, Kernels kernels) {
        if (size == 1) {
            return new SoloCommunicator(kernels);
        }
        var cuda = (CudaKernels) kernels;
        if (rank == 0 && !id.isDone()) {
            id.complete(Nccl.uniqueId());
        }
        byte[] shared = id.orTimeout(TIMEOUT.toSeconds(), TimeUnit.SECONDS).join();
        return NcclCommunicator.open(
                cuda.cuda(),
                cuda.stream(),
                kernels,
                shared,
                rank,
                size,
                cuda::busy,
                Meeting.within(TIMEOUT));
    }
}
