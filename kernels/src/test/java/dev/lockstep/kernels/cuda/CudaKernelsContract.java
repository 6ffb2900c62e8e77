// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.FurtherRowContract;
import dev.lockstep.kernels.MatmulContract;
import dev.lockstep.kernels.MemoryContract;
import dev.lockstep.kernels.ResidualContract;
import dev.lockstep.kernels.RowContract;
import dev.lockstep.kernels.ScatterContract;
import dev.lockstep.kernels.WaitingContract;

/// All contracts, for CUDA kernels of one type on the emulated device, or on a machine's own.
interface CudaKernelsContract
        extends CudaContract,
                MemoryContract,
                MatmulContract,
                RowContract,
                FurtherRowContract,
                ResidualContract,
                ScatterContract,
                WaitingContract {
    @Override
    default boolean hasSameBitsInAnyBatch() {
        return false;
    }
}
