// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AttentionContract;
import dev.lockstep.kernels.ExpertContract;
import dev.lockstep.kernels.FurtherRowContract;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.MatmulContract;
import dev.lockstep.kernels.MemoryContract;
import dev.lockstep.kernels.RowContract;
import dev.lockstep.kernels.SamplerContract;
import dev.lockstep.kernels.ScoreContract;
import dev.lockstep.kernels.WindowContract;

final class NativeAvx512VnniKernelsTest
        implements MemoryContract,
                MatmulContract,
                MatmulBitsContract,
                RowContract,
                FurtherRowContract,
                ExpertContract,
                WindowContract,
                AttentionContract,
                SamplerContract,
                ScoreContract {
    @Override
    public Kernels open(int threads) {
        return OpenKernels.of(InstructionSet.AVX512_VNNI, threads);
    }

    @Override
    public boolean hasBf16Instruction() {
        return false;
    }
}
