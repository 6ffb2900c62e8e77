// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DistributionContract;
import dev.lockstep.kernels.IndexException;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.Sampler;
import dev.lockstep.kernels.SamplerContract;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.ScoreContract;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import dev.lockstep.kernels.Tolerances;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The contracts of sampling, for CUDA on the emulated device, or on a machine's own. Samplers know
/// no activation type, so that they are tested with one.
@Tag("gpu")
@Tag("processes")
final class CudaSamplerTest implements SamplerContract, DistributionContract, ScoreContract {
    @Override
    public Kernels open(int threads) {
        return CudaUnderTest.open(DType.F32);
    }

    /// A row is computed by a block of its own.
    @Override
    public boolean hasSameBitsInAnyBatch() {
        return true;
    }

    @Override
    public Tolerances tolerances() {
        return Tolerances.STATED;
    }

    @Override
    public List<DType> computeTypes() {
        return List.of(DType.F32);
    }

    @Override
    public boolean quantizesActivations() {
        return false;
    }

    /// Ids are compared with the CPU's in [CudaSamplerTwinTest].
    @Override
    public int draws() {
        return CudaUnderTest.isEmulated() ? 20 : 100;
    }

    @Test
    void aSlotWithoutASequenceIsRefusedByTheNextWait() {
        try (TestDevice device = device()) {
            Sampler sampler = device.kernels().sampler(2, 9);
            device.atClose(sampler::close);
            sampler.admit(0, SamplingSettings.greedy(), new int[] {1}, new int[0]);
            Tensor ids = device.ints(1, 2, -1, -2);
            sampler.resolve(ids);
            IndexException refused =
                    assertThrows(IndexException.class, () -> device.kernels().synchronize());
            assertEquals("resolve: slot 1 at index 1, which is empty", refused.getMessage());
        }
    }

    @Test
    void sizesOutOfRangeAreRefused() {
        try (TestDevice device = device()) {
            assertThrows(IllegalArgumentException.class, () -> device.kernels().sampler(0, 9));
            assertThrows(IllegalArgumentException.class, () -> device.kernels().sampler(1, 0));
            IllegalArgumentException refused =
                    assertThrows(
                            IllegalArgumentException.class,
                            () -> device.kernels().sampler(1, (1 << 19) + 1));
            assertEquals(
                    "a sampler of 1 slots for a vocabulary of 524289, must be 1 to 524288",
                    refused.getMessage());
        }
    }
}
