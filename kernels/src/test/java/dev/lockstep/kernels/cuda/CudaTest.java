// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/// Memory, limits, threads and errors of the driver.
final class CudaTest extends DeviceFixture {

    @Test
    void copiesBeyondAnAllocationAreRefused() {
        MemorySegment host = arena.allocate(BYTES + 4, 4);
        CudaException failure =
                assertThrows(CudaException.class, () -> cuda.copyToDevice(device, host, stream));
        assertEquals(
                "cuMemcpyHtoDAsync failed: CUDA_ERROR_INVALID_VALUE (1), invalid argument; the last kernel was affine",
                afterLaunch(failure));
        assertThrows(CudaException.class, () -> cuda.copy(device.plus(8), device, BYTES, stream));
        assertThrows(
                IllegalArgumentException.class,
                () -> cuda.copyToHost(MemorySegment.ofArray(new float[1]), device, stream));
    }

    @Test
    void memoryIsCountedAndEnds() {
        long free = cuda.freeBytes();
        DevicePointer large = cuda.allocate(free / 2);
        assertTrue(cuda.freeBytes() <= free - free / 2);
        CudaException failure =
                assertThrows(CudaException.class, () -> cuda.allocate(free / 2 + (1 << 20)));
        assertEquals(2, failure.code());
        cuda.free(large);
        assertEquals(free, cuda.freeBytes());
        assertTrue(cuda.totalBytes() >= free);
    }

    @Test
    void theLastOfAContextFreesItsMemory() {
        Cuda other = EmulatedCuda.open(1);
        long free = other.freeBytes();
        other.allocate(1 << 20);
        assertTrue(other.freeBytes() < free);
        other.close();
        Cuda again = EmulatedCuda.open(1);
        assertEquals(free, again.freeBytes());
        again.close();
        cuda.attachThread();
    }

    @Test
    void aChosenCallFailsOnce() {
        long before = EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemAlloc_v2");
        EmulatedCuda.failOn(CudaLibrary.DRIVER, "cuMemAlloc_v2:%d:2".formatted(before + 2));
        DevicePointer first = cuda.allocate(16);
        assertEquals(2, assertThrows(CudaException.class, () -> cuda.allocate(16)).code());
        DevicePointer third = cuda.allocate(16);
        assertEquals(before + 3, EmulatedCuda.calls(CudaLibrary.DRIVER, "cuMemAlloc_v2"));
        cuda.free(first);
        cuda.free(third);
    }

    @Test
    void aThreadThatIsNotAttachedIsRefused() throws InterruptedException {
        int[] codes = new int[2];
        Thread thread =
                Thread.ofPlatform()
                        .start(
                                () -> {
                                    codes[0] =
                                            assertThrows(
                                                            CudaException.class,
                                                            () -> cuda.allocate(16))
                                                    .code();
                                    cuda.attachThread();
                                    cuda.free(cuda.allocate(16));
                                    codes[1] = 1;
                                });
        thread.join();
        assertEquals(201, codes[0]);
        assertEquals(1, codes[1]);
    }

    @Test
    void launchesAreCheckedAgainstTheKernelsLimits() {
        MemorySegment parameters = TestProgram.parameters(arena, device.address(), SIZE, 1, 0);
        assertThrows(
                CudaException.class,
                () -> cuda.launch(affine, 1, 1, 1, 2048, 0, parameters, stream));
        assertThrows(
                CudaException.class,
                () -> cuda.launch(affine, 1, 1, 1, 32, 64 << 10, parameters, stream));
        CudaKernel large = cuda.kernel(image, "affine", 64 << 10);
        cuda.launch(large, 1, 1, 1, 32, 64 << 10, parameters, stream);
        cuda.synchronize(stream);
        assertEquals(
                500,
                assertThrows(CudaException.class, () -> cuda.kernel(image, "absent", 0)).code());
        assertThrows(
                IllegalArgumentException.class,
                () -> cuda.launch(affine, 1, 1, 1, 32, 0, arena.allocate(8192), stream));
        assertEquals(
                200,
                assertThrows(CudaException.class, () -> cuda.load("no image".getBytes(US_ASCII)))
                        .code());
    }

    @Test
    void machineCodeOfAnotherArchitectureIsRefused() {
        Nvrtc nvrtc = Nvrtc.open(cuda.libraries());
        byte[] other = nvrtc.compile(TestProgram.source(), "sm_80", List.of("-DMORE=0")).image();
        assertEquals(209, assertThrows(CudaException.class, () -> cuda.load(other)).code());
    }

    @Test
    void anErrorOfAnyCallIsThrownAndDoesNoHarm() {
        int failed = 0;
        boolean ran = false;
        for (int call = 1; !ran; call++) {
            assertTrue(call < 100, "no run without an error");
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "*:%d:2".formatted(call));
            try {
                runAll();
                ran = true;
            } catch (CudaException failure) {
                assertEquals(2, failure.code());
                failed++;
            }
            EmulatedCuda.failOn(CudaLibrary.DRIVER, "");
            cuda.synchronize(stream);
        }
        assertTrue(failed >= 20, failed + " calls");
    }

    /// Calls most of what there is, each a fixed number of times.
    private void runAll() {
        CudaStream own = cuda.stream(0);
        CudaEvent event = cuda.event();
        DevicePointer memory = cuda.allocate(BYTES);
        PinnedMemory host = cuda.pin(BYTES);
        CudaKernel kernel = cuda.kernel(image, "affine", 1024);
        cuda.copyToDevice(memory, host.host(), own);
        cuda.graphs().beginCapture(own);
        CudaGraph graph;
        try {
            MemorySegment parameters = TestProgram.parameters(arena, memory.address(), SIZE, 1, 1);
            cuda.launch(kernel, 4, 1, 1, 256, 0, parameters, own);
            cuda.fill(memory, (byte) 1, 8, own);
            cuda.copy(memory, memory.plus(8), 8, own);
        } catch (CudaException failure) {
            cuda.graphs().abandonCapture(own);
            throw failure;
        }
        graph = cuda.graphs().endCapture(own);
        cuda.graphs().launch(graph, own);
        cuda.copyToHost(host.host(), memory, own);
        cuda.record(event, own);
        cuda.await(event);
        cuda.graphs().destroy(graph);
        cuda.free(host);
        cuda.free(memory);
        cuda.destroy(event);
        cuda.destroy(own);
    }

    @Test
    void aStepAllocatesNothing() {
        PinnedMemory out = cuda.pin(BYTES);
        CudaEvent event = cuda.event();
        MemorySegment parameters = TestProgram.parameters(arena, device.address(), SIZE, 1, 0);
        var threads =
                (com.sun.management.ThreadMXBean)
                        java.lang.management.ManagementFactory.getThreadMXBean();
        long thread = Thread.currentThread().threadId();
        long allocated = Long.MAX_VALUE;
        for (int attempt = 0; attempt < 20 && allocated > 0; attempt++) {
            long before = threads.getThreadAllocatedBytes(thread);
            for (int i = 0; i < 100; i++) {
                cuda.copyToDevice(device, pinned.host(), stream);
                launch(stream, parameters);
                cuda.copyToHost(out.host(), device, stream);
                cuda.record(event, stream);
            }
            cuda.await(event);
            allocated = threads.getThreadAllocatedBytes(thread) - before;
        }
        assertTrue(allocated < 1024, "100 steps allocated %d bytes".formatted(allocated));
        cuda.destroy(event);
        cuda.free(out);
    }

    private String afterLaunch(CudaException failure) {
        // The order of tests decides whether a kernel was launched before.
        String kernel = "; the last kernel was affine";
        String message = String.valueOf(failure.getMessage());
        return message.endsWith(kernel) ? message : message + kernel;
    }
}
