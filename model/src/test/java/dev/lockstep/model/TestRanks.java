// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.kernels.DeviceCapabilities;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.nccl.Communicator;

/// The devices of one group of ranks, and how these meet. Each rank calls from its own thread.
sealed interface TestRanks permits CpuRanks, CudaRanks {

    DeviceCapabilities capabilities();

    Kernels open(int rank, ComputeTypes types);

    /// Returns the number of KV blocks of each layout.
    int blocks();

    /// Meets the other ranks of this group.
    ///
    /// @param bytes the collective memory of each rank
    Communicator meet(int rank, int size, long bytes, Kernels kernels);
}
