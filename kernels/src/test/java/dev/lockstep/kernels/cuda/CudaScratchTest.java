// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.OutOfDeviceMemoryException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

final class CudaScratchTest {
    private final Cuda cuda = EmulatedCuda.open();
    private final CudaStream stream = cuda.stream(0);
    private final CudaMemory memory = new CudaMemory(cuda, stream, new RecordingGuard());

    @AfterEach
    void close() {
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
        memory.close();
        cuda.destroy(stream);
        cuda.close();
    }

    @Test
    void whatCannotGrowHoldsNothingAndCanBeUsedAgain() {
        try (var scratch = new CudaScratch(memory)) {
            assertEquals(0, memory.allocatedBytes());
            scratch.reserve(1000);
            long calls = EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemAlloc_v2");
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "cuMemAlloc_v2:%d:2".formatted(calls + 1));
            assertThrows(OutOfDeviceMemoryException.class, () -> scratch.reserve(2000));
            assertEquals(0, scratch.bytes());
            assertEquals(0, memory.allocatedBytes());

            DevicePointer smaller = scratch.atLeast(500);
            cuda.fill(smaller, (byte) 1, 500, stream);
            cuda.synchronize(stream);
            assertEquals(500, memory.allocatedBytes());
        }
        assertEquals(0, memory.allocatedBytes());
    }
}
