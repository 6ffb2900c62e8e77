// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.AttentionContract;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.ExpertContract;
import dev.lockstep.kernels.IndexContract;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PaddingContract;
import dev.lockstep.kernels.Tolerances;
import dev.lockstep.kernels.WindowContract;
import java.util.List;

/// The contracts of attention, experts, padding and checked indices, for CUDA kernels of one type.
/// These ops promise the same bits in any batch, which products by cuBLASLt do not.
interface CudaAttentionContract
        extends AttentionContract, WindowContract, PaddingContract, IndexContract, ExpertContract {
    DType type();

    @Override
    default Kernels open(int threads) {
        return CudaUnderTest.open(type());
    }

    @Override
    default boolean hasSameBitsInAnyBatch() {
        return true;
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
