// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;

/// A device whose work runs when it is waited or asked for, with a stream, memory and a kernel.
abstract class DeviceFixture {
    static final int SIZE = 1000;
    static final long BYTES = SIZE * 4L;

    static Cuda cuda;
    static KernelImage image;
    static CudaKernel affine;

    final Arena arena = Arena.ofConfined();
    CudaStream stream;
    DevicePointer device;
    PinnedMemory pinned;

    @BeforeAll
    static void open() {
        cuda = EmulatedCuda.open();
        Nvrtc nvrtc = Nvrtc.open(cuda.libraries());
        byte[] code =
                nvrtc.compile(
                                TestProgram.source(),
                                cuda.device().architecture(),
                                List.of("-DMORE=0", "--fmad=false"))
                        .image();
        image = cuda.load(code);
        affine = cuda.kernel(image, "affine", 0);
    }

    @AfterAll
    static void close() {
        if (cuda != null) {
            cuda.attachThread();
            cuda.unload(image);
            cuda.close();
        }
    }

    @BeforeEach
    void allocate() {
        cuda.attachThread();
        EmulatedCuda.holdWork(true);
        stream = cuda.stream(-1);
        device = cuda.allocate(BYTES);
        pinned = cuda.pin(BYTES);
    }

    @AfterEach
    void free() {
        EmulatedCuda.holdWork(false);
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
        cuda.free(pinned);
        cuda.free(device);
        cuda.destroy(stream);
        arena.close();
    }

    void launch(CudaStream on, float factor, float summand) {
        launch(on, TestProgram.parameters(arena, device.address(), SIZE, factor, summand));
    }

    static void launch(CudaStream on, MemorySegment parameters) {
        cuda.launch(affine, (SIZE + 255) / 256, 1, 1, 256, 0, parameters, on);
    }

    float deviceValue(int index) {
        return value(device, index);
    }

    float value(DevicePointer memory, int index) {
        MemorySegment host = arena.allocate(BYTES, 4);
        cuda.copyToHost(host, memory, stream);
        return host.getAtIndex(ValueLayout.JAVA_FLOAT, index);
    }

    static void fill(MemorySegment memory, float value) {
        for (int i = 0; i < SIZE; i++) {
            memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        }
    }
}
