// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.AheadContract;
import dev.lockstep.kernels.AttentionContract;
import dev.lockstep.kernels.ChunkContract;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DistributionContract;
import dev.lockstep.kernels.ExpertContract;
import dev.lockstep.kernels.FurtherRowContract;
import dev.lockstep.kernels.IndexContract;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.LatentCacheContract;
import dev.lockstep.kernels.MatmulContract;
import dev.lockstep.kernels.MemoryContract;
import dev.lockstep.kernels.PaddingContract;
import dev.lockstep.kernels.ResidualContract;
import dev.lockstep.kernels.RowContract;
import dev.lockstep.kernels.SamplerContract;
import dev.lockstep.kernels.ScatterContract;
import dev.lockstep.kernels.ScoreContract;
import dev.lockstep.kernels.SharedPrefixContract;
import dev.lockstep.kernels.StateContract;
import dev.lockstep.kernels.Tolerances;
import dev.lockstep.kernels.WaitingContract;
import dev.lockstep.kernels.WindowContract;
import java.util.List;

/// All contracts, for the CPU kernels of one instruction set.
interface CpuKernelsContract
        extends MemoryContract,
                MatmulContract,
                MatmulBitsContract,
                RowContract,
                FurtherRowContract,
                ExpertContract,
                IndexContract,
                WindowContract,
                ChunkContract,
                AttentionContract,
                SharedPrefixContract,
                LatentCacheContract,
                ExpandedAttentionContract,
                AheadContract,
                PaddingContract,
                StateContract,
                ResidualContract,
                ScatterContract,
                SamplerContract,
                DistributionContract,
                ScoreContract,
                WaitingContract {
    @Override
    InstructionSet instructionSet();

    @Override
    default Kernels open(int threads) {
        return OpenKernels.of(instructionSet(), threads);
    }

    @Override
    default boolean hasSameBitsInAnyBatch() {
        return true;
    }

    @Override
    default boolean storesCodes() {
        return true;
    }

    @Override
    default String refusalOfComputed() {
        return "row 1: 4 tokens are computed, attention to later tokens needs all of them in one step";
    }

    @Override
    default Tolerances tolerances() {
        return Tolerances.STATED;
    }

    @Override
    default List<DType> computeTypes() {
        return List.of(DType.F32, DType.BF16);
    }

    @Override
    default boolean quantizesActivations() {
        return instructionSet().capabilities().quantizesActivations();
    }

    @Override
    default boolean hasBf16Instruction() {
        return instructionSet().hasBf16();
    }
}
