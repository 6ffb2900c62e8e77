// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.nccl.SoloCommunicator;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ActivationsTest {
    @TempDir Path folder;

    @Test
    void theMemoryPlanEqualsTheAllocatedBytes() throws IOException {
        TinyCheckpoint.write(folder, 3);
        ModelSource source = ModelSource.open(folder);
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning())) {
            ComputeTypes types = source.computeTypes("auto", "auto", kernels);
            Model model =
                    source.load(
                            source.shard(0, 1),
                            kernels,
                            new LoadSettings(
                                    types.compute(),
                                    types.kv(),
                                    16,
                                    64,
                                    LoadSettings.Progress.none()));
            DType type = kernels.activationType();
            long before = kernels.allocatedBytes();
            try (var communicator = new SoloCommunicator(kernels)) {
                long own = kernels.allocatedBytes();
                try (ActivationBuffers _ =
                        new ActivationBuffers(model, kernels, communicator, 33, 5)) {
                    // On a CPU the 64 bytes after the last block are read, never used.
                    assertEquals(
                            64 + source.activationBytes(model.shard(), type, types.kv(), 16, 33, 5),
                            kernels.allocatedBytes() - own);
                }
            }
            assertEquals(before, kernels.allocatedBytes(), "everything is freed");
        }
    }
}
