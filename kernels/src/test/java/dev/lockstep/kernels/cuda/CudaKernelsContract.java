// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.FurtherRowContract;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.MatmulContract;
import dev.lockstep.kernels.MemoryContract;
import dev.lockstep.kernels.RowContract;
import dev.lockstep.kernels.ScatterContract;
import dev.lockstep.kernels.Tolerances;
import dev.lockstep.kernels.WaitingContract;
import java.util.List;

/// All contracts, for CUDA kernels of one type on the emulated device, or on a machine's own.
interface CudaKernelsContract
        extends MemoryContract,
                MatmulContract,
                RowContract,
                FurtherRowContract,
                ScatterContract,
                WaitingContract {
    DType type();

    @Override
    default Kernels open(int threads) {
        return CudaUnderTest.open(type());
    }

    @Override
    default boolean hasSameBitsInAnyBatch() {
        return false;
    }

    @Override
    default Tolerances tolerances() {
        return Tolerances.STATED;
    }

    @Override
    default List<DType> computeTypes() {
        return List.of(type());
    }

    @Override
    default boolean quantizesActivations() {
        return false;
    }
}
