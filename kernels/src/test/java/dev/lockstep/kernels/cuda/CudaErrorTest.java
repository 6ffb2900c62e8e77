// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// An error of any one call of the driver, while ops run and while kernels are opened.
@Tag("processes")
final class CudaErrorTest {
    private static final int INVALID_VALUE = 1;

    private final TestDevice device = new TestDevice(CudaUnderTest.open(DType.F32));
    private final CudaKernels kernels = (CudaKernels) device.kernels();
    private final Arena arena = Arena.ofShared();
    private Tensor x;
    private Tensor norm;
    private Tensor out;
    private PackedWeight weight;
    private MemorySegment result;

    @BeforeEach
    void prepare() {
        StoredMatrix stored = StoredMatrix.random(TensorType.F32, 8, 8, 1);
        weight = kernels.prepare(List.of(stored.whole()), DType.F32);
        norm = kernels.prepareVector(new float[] {1, 2, 3, 4, 5, 6, 7, 8});
        x = device.zeros(3, 8);
        out = device.zeros(3, 8);
        result = kernels.allocateHost(out.bytes(), arena);
    }

    @AfterEach
    void close() {
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
        arena.close();
        device.close();
    }

    @Test
    void anErrorOfAnyCallOfAStepIsThrownAndDoesNoHarm() {
        float[] expected = step();
        long allocated = kernels.allocatedBytes();
        int calls = 0;
        boolean failed = true;
        while (failed) {
            calls++;
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "*:%d:%d".formatted(calls, INVALID_VALUE));
            failed = fails();
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
            assertArrayEquals(expected, step(), "after a failure of call " + calls);
            assertEquals(allocated, kernels.allocatedBytes());
        }
        assertTrue(calls > 20, calls + " calls");
    }

    /// What the search of devices cannot read of a device that is not used does not matter.
    @Test
    void anErrorOfACallOfAStartIsThrownOrDoesNotMatter() {
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
        CudaKernels started = CudaUnderTest.open(DType.BF16);
        long calls = EmulatedCuda.calls(CudaLibrary.DRIVER, "*");
        started.close();
        int failures = 0;
        int tries = 0;
        for (long call = 1; call <= calls; call += 17) {
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "*:%d:%d".formatted(call, INVALID_VALUE));
            tries++;
            @Nullable CudaKernels opened = null;
            try {
                opened = CudaUnderTest.open(DType.BF16);
            } catch (CudaException | CudaUnavailableException expected) {
                failures++;
            }
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
            if (opened != null) {
                opened.close();
            }
        }
        assertTrue(failures > tries / 2, failures + " failures of " + tries);
        CudaUnderTest.open(DType.BF16).close();
    }

    private boolean fails() {
        try {
            step();
            return false;
        } catch (CudaException expected) {
            return true;
        }
    }

    /// Runs a bit of everything, with a recording that is launched twice.
    private float[] step() {
        kernels.copyToDevice(
                MemorySegment.ofArray(new float[] {1, -1, 2, -2, 3, -3, 4, -4}), row());
        kernels.clear(out);
        kernels.matmul(x, weight, out);
        try (DeviceBuffer buffer = kernels.allocate(100)) {
            kernels.copy(row(), buffer.tensor(0, DType.F32, 1, 8));
            kernels.mark();
            try (Recording recording =
                    kernels.record(() -> kernels.addRmsNorm(x, out, norm, 1e-5f, x))
                            .orElseThrow()) {
                recording.launch();
                recording.launch();
            }
            kernels.copyToHostLater(x, result);
            kernels.synchronize();
        }
        return result.toArray(ValueLayout.JAVA_FLOAT);
    }

    private Tensor row() {
        return x.rows(1, 2);
    }
}
