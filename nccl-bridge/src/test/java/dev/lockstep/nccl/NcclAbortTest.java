// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Tolerances;
import java.time.Duration;
import org.junit.jupiter.api.Tag;

/// Aborts and lost peers over NCCL on CUDA devices.
@Tag("gpu")
final class NcclAbortTest implements AbortContract {
    /// Shorter than in production, so that a test takes less time.
    private static final Duration PATIENCE = Duration.ofSeconds(1);

    @Override
    public int[] sizes() {
        return CudaGroup.sizes();
    }

    @Override
    public void onEveryRank(int size, RankBody body) throws Exception {
        CudaGroup.onEveryRank(size, DType.F32, PATIENCE, body);
    }

    @Override
    public boolean sumsInRankOrder() {
        return false;
    }

    @Override
    public boolean sharesReasons() {
        return false;
    }

    @Override
    public Tolerances tolerances() {
        return Tolerances.STATED;
    }
}
