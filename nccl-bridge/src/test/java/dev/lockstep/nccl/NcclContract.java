// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tolerances;

/// The contracts of sums and copies over NCCL, for kernels of one type on CUDA devices.
interface NcclContract extends SumContract, CopyContract {
    DType type();

    @Override
    default int[] sizes() {
        return CudaGroup.sizes();
    }

    @Override
    default void onEveryRank(int size, RankBody body) throws Exception {
        // Only a hang takes longer, however busy the machine is.
        CudaGroup.onEveryRank(size, type(), HostGroup.TIMEOUT, body);
    }

    @Override
    default boolean sumsInRankOrder() {
        return false;
    }

    @Override
    default boolean sharesReasons() {
        return false;
    }

    @Override
    default Tolerances tolerances() {
        return Tolerances.STATED;
    }
}
