// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.AheadContract;
import dev.lockstep.kernels.AttentionContract;
import dev.lockstep.kernels.ChunkContract;
import dev.lockstep.kernels.ExpertContract;
import dev.lockstep.kernels.IndexContract;
import dev.lockstep.kernels.LatentCacheContract;
import dev.lockstep.kernels.PaddingContract;
import dev.lockstep.kernels.StateContract;
import dev.lockstep.kernels.WindowContract;

/// The contracts of attention, states, experts, padding and checked indices, for CUDA kernels of
/// one type. These ops promise the same bits in any batch, which products by cuBLASLt do not.
interface CudaAttentionContract
        extends CudaContract,
                AttentionContract,
                AheadContract,
                LatentCacheContract,
                WindowContract,
                ChunkContract,
                PaddingContract,
                StateContract,
                IndexContract,
                ExpertContract {
    @Override
    default boolean hasSameBitsInAnyBatch() {
        return true;
    }

    @Override
    default String refusalOfComputed() {
        return "plan: computed length 4 at index 1, must be 0 to 0";
    }
}
