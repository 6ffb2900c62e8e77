// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.KernelsContract;
import dev.lockstep.kernels.Tolerances;
import java.util.List;

/// What every contract asks of CUDA kernels that compute in one type.
interface CudaContract extends KernelsContract {
    DType type();

    @Override
    default Kernels open(int threads) {
        return CudaUnderTest.open(type());
    }

    @Override
    default Tolerances tolerances() {
        return Tolerances.STATED;
    }

    @Override
    default List<DType> computeTypes() {
        return List.of(type());
    }

    /// Two splits and the beginning of a third one; emulated devices are slow.
    @Override
    default int longSequence() {
        return 530;
    }

    @Override
    default boolean quantizesActivations() {
        return false;
    }
}
