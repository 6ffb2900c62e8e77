// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class CudaTest {
    private static final int SIZE = 1000;
    private static final long BYTES = SIZE * 4L;

    private static Cuda cuda;
    private static KernelImage image;
    private static CudaKernel affine;

    private final Arena arena = Arena.ofConfined();
    private CudaStream stream;
    private DevicePointer device;
    private PinnedMemory pinned;

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

    @Test
    void copiesReadPinnedMemoryWhenTheStreamComesToThem() {
        fill(pinned.host(), 1);
        cuda.copyToDevice(device, pinned.host(), stream);
        fill(pinned.host(), 2);
        assertEquals(2, deviceValue(7));
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.synchronize(stream);
        fill(pinned.host(), 3);
        assertEquals(2, deviceValue(7));
    }

    @Test
    void copiesReadOtherMemoryAtOnce() {
        MemorySegment host = arena.allocate(BYTES, 4);
        fill(host, 1);
        cuda.copyToDevice(device, host, stream);
        fill(host, 2);
        assertEquals(1, deviceValue(SIZE - 1));
    }

    @Test
    void nothingRunsBeforeItIsWaitedOrAskedFor() {
        PinnedMemory out = cuda.pin(BYTES);
        fill(pinned.host(), 5);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.copyToHost(out.host(), device, stream);
        CudaEvent event = cuda.event();
        assertTrue(cuda.isReached(event));
        cuda.record(event, stream);
        assertEquals(0, out.host().get(ValueLayout.JAVA_FLOAT, 0));
        cuda.await(event);
        assertTrue(cuda.isReached(event));
        assertEquals(5, out.host().get(ValueLayout.JAVA_FLOAT, 0));

        cuda.fill(device, (byte) 0, BYTES, stream);
        assertFalse(cuda.isIdle(stream));
        while (!cuda.isIdle(stream)) {
            Thread.onSpinWait();
        }
        cuda.destroy(event);
        cuda.free(out);
    }

    @Test
    void workRunsByItselfAfterAWhile() {
        EmulatedCuda.holdWork(false);
        fill(pinned.host(), 6);
        PinnedMemory out = cuda.pin(BYTES);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.copyToHost(out.host(), device, stream);
        // A word in mapped memory is read without a call of the driver.
        while ((float) ValueLayout.JAVA_FLOAT.varHandle().getVolatile(out.host(), 0L) != 6) {
            Thread.onSpinWait();
        }
        cuda.free(out);
    }

    @Test
    void anotherStreamWaitsForAnEvent() {
        CudaStream other = cuda.stream(0);
        CudaEvent event = cuda.event();
        fill(pinned.host(), 4);
        cuda.copyToDevice(device, pinned.host(), stream);
        launch(stream, 2, 1);
        cuda.record(event, stream);
        cuda.await(event, other);
        DevicePointer copy = cuda.allocate(BYTES);
        cuda.copy(copy, device, BYTES, other);
        cuda.synchronize(other);
        assertEquals(9, value(copy, 3));
        cuda.free(copy);
        cuda.destroy(event);
        cuda.destroy(other);
    }

    @Test
    void parametersAreThoseOfTheLaunch() {
        fill(pinned.host(), 1);
        cuda.copyToDevice(device, pinned.host(), stream);
        MemorySegment parameters = TestProgram.parameters(arena, device.address(), SIZE, 10, 0);
        launch(stream, parameters);
        parameters.set(ValueLayout.JAVA_FLOAT, 16, 1000);
        assertEquals(10, deviceValue(SIZE - 1));
    }

    @Test
    void aGraphRunsWithTheParametersOfItsCaptureAsOftenAsItIsLaunched() {
        fill(pinned.host(), 0);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.synchronize(stream);
        cuda.beginCapture(stream);
        launch(stream, 1, 1);
        launch(stream, 2, 0);
        CudaGraph graph = cuda.endCapture(stream);
        assertEquals(0, deviceValue(0));
        cuda.upload(graph, stream);
        for (int i = 0; i < 3; i++) {
            cuda.launch(graph, stream);
        }
        assertEquals(14, deviceValue(0));
        cuda.destroy(graph);
    }

    @Test
    void aGraphReadsPinnedMemoryEachTime() {
        cuda.beginCapture(stream);
        cuda.copyToDevice(device, pinned.host(), stream);
        launch(stream, 3, 0);
        CudaGraph graph = cuda.endCapture(stream);
        for (float value : new float[] {1, 2}) {
            fill(pinned.host(), value);
            cuda.launch(graph, stream);
            assertEquals(3 * value, deviceValue(1));
        }
        cuda.destroy(graph);
    }

    @Test
    void aCaptureCoversStreamsThatWaitForIt() {
        CudaStream other = cuda.stream(0);
        CudaEvent fork = cuda.event();
        CudaEvent join = cuda.event();
        fill(pinned.host(), 1);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.synchronize(stream);
        cuda.beginCapture(stream);
        cuda.record(fork, stream);
        cuda.await(fork, other);
        launch(other, 5, 0);
        cuda.record(join, other);
        cuda.await(join, stream);
        CudaGraph graph = cuda.endCapture(stream);
        cuda.launch(graph, stream);
        assertEquals(5, deviceValue(0));
        cuda.destroy(graph);

        cuda.beginCapture(stream);
        cuda.record(fork, stream);
        cuda.await(fork, other);
        launch(other, 5, 0);
        assertEquals(904, assertThrows(CudaException.class, () -> cuda.endCapture(stream)).code());
        cuda.destroy(fork);
        cuda.destroy(join);
        cuda.destroy(other);
    }

    @Test
    void waitsAllocationsAndCopiesOfOtherMemoryAreRefusedInACapture() {
        MemorySegment host = arena.allocate(BYTES, 4);
        List<Runnable> refused =
                List.of(
                        () -> cuda.synchronize(stream),
                        () -> cuda.isIdle(stream),
                        () -> cuda.allocate(16),
                        () -> cuda.pin(16),
                        () -> cuda.free(device),
                        () -> cuda.copyToDevice(device, host, stream),
                        () -> cuda.copyToHost(host, device, stream));
        for (Runnable call : refused) {
            cuda.beginCapture(stream);
            CudaException failure = assertThrows(CudaException.class, call::run);
            assertEquals(900, failure.code(), failure.getMessage());
            assertFalse(failure.isSticky());
            assertEquals(
                    901, assertThrows(CudaException.class, () -> cuda.endCapture(stream)).code());
        }
        cuda.beginCapture(stream);
        assertThrows(CudaException.class, () -> cuda.allocate(16));
        cuda.abandonCapture(stream);
        fill(pinned.host(), 8);
        cuda.copyToDevice(device, pinned.host(), stream);
        assertEquals(8, deviceValue(0));
    }

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
        cuda.beginCapture(own);
        CudaGraph graph;
        try {
            MemorySegment parameters = TestProgram.parameters(arena, memory.address(), SIZE, 1, 1);
            cuda.launch(kernel, 4, 1, 1, 256, 0, parameters, own);
            cuda.fill(memory, (byte) 1, 8, own);
            cuda.copy(memory, memory.plus(8), 8, own);
        } catch (CudaException failure) {
            cuda.abandonCapture(own);
            throw failure;
        }
        graph = cuda.endCapture(own);
        cuda.launch(graph, own);
        cuda.copyToHost(host.host(), memory, own);
        cuda.record(event, own);
        cuda.await(event);
        cuda.destroy(graph);
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

    private void launch(CudaStream on, float factor, float summand) {
        launch(on, TestProgram.parameters(arena, device.address(), SIZE, factor, summand));
    }

    private static void launch(CudaStream on, MemorySegment parameters) {
        cuda.launch(affine, (SIZE + 255) / 256, 1, 1, 256, 0, parameters, on);
    }

    private float deviceValue(int index) {
        return value(device, index);
    }

    private float value(DevicePointer memory, int index) {
        MemorySegment host = arena.allocate(BYTES, 4);
        cuda.copyToHost(host, memory, stream);
        return host.getAtIndex(ValueLayout.JAVA_FLOAT, index);
    }

    private static void fill(MemorySegment memory, float value) {
        for (int i = 0; i < SIZE; i++) {
            memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, value);
        }
    }
}
