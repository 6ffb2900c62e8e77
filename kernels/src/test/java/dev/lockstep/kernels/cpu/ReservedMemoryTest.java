// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.OutOfDeviceMemoryException;
import dev.lockstep.kernels.StoredMatrix;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The scratch memory of CPU ops against the free memory of the host.
final class ReservedMemoryTest {
    private static final int MIB = 1 << 20;

    /// A row of 1024 columns takes 4160 bytes: rows of 4096 would evict each other.
    @Test
    void moreThanIsFreeIsRefusedEachTimeAndTakesNothing() {
        try (Kernels kernels =
                CpuKernels.open(
                        CpuOptions.ofThreads(1).with(InstructionSet.VECTOR_API), () -> 8L * MIB)) {
            StoredMatrix stored = StoredMatrix.random(TensorType.F32, 3, 1024, 1);
            kernels.prepare(List.of(stored.whole()), DType.F32);
            long before = kernels.allocatedBytes();
            for (int i = 0; i < 2; i++) {
                OutOfDeviceMemoryException refusal =
                        assertThrows(
                                OutOfDeviceMemoryException.class,
                                () -> kernels.reserve(4096, 8, 128));
                assertEquals(
                        "ops need 16 MiB more of scratch memory, 8 MiB are free",
                        refusal.getMessage());
                assertEquals(before, kernels.allocatedBytes());
            }
            kernels.reserve(1024, 8, 128);
            assertEquals(before + 1024 * 4160, kernels.allocatedBytes());
        }
    }
}
