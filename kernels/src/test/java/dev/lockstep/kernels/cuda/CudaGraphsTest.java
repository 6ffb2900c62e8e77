// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.lang.foreign.MemorySegment;
import java.util.List;
import org.junit.jupiter.api.Test;

/// What is captured, what a capture refuses, and what a launch of it reads.
final class CudaGraphsTest extends DeviceFixture {

    @Test
    void aGraphRunsWithTheParametersOfItsCaptureAsOftenAsItIsLaunched() {
        fill(pinned.host(), 0);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.synchronize(stream);
        cuda.graphs().beginCapture(stream);
        launch(stream, 1, 1);
        launch(stream, 2, 0);
        CudaGraph graph = cuda.graphs().endCapture(stream);
        assertEquals(0, deviceValue(0));
        cuda.graphs().upload(graph, stream);
        for (int i = 0; i < 3; i++) {
            cuda.graphs().launch(graph, stream);
        }
        assertEquals(14, deviceValue(0));
        cuda.graphs().destroy(graph);
    }

    @Test
    void aGraphReadsPinnedMemoryEachTime() {
        cuda.graphs().beginCapture(stream);
        cuda.copyToDevice(device, pinned.host(), stream);
        launch(stream, 3, 0);
        CudaGraph graph = cuda.graphs().endCapture(stream);
        for (float value : new float[] {1, 2}) {
            fill(pinned.host(), value);
            cuda.graphs().launch(graph, stream);
            assertEquals(3 * value, deviceValue(1));
        }
        cuda.graphs().destroy(graph);
    }

    @Test
    void aCaptureCoversStreamsThatWaitForIt() {
        CudaStream other = cuda.stream(0);
        CudaEvent fork = cuda.event();
        CudaEvent join = cuda.event();
        fill(pinned.host(), 1);
        cuda.copyToDevice(device, pinned.host(), stream);
        cuda.synchronize(stream);
        cuda.graphs().beginCapture(stream);
        cuda.record(fork, stream);
        cuda.await(fork, other);
        launch(other, 5, 0);
        cuda.record(join, other);
        cuda.await(join, stream);
        CudaGraph graph = cuda.graphs().endCapture(stream);
        cuda.graphs().launch(graph, stream);
        assertEquals(5, deviceValue(0));
        cuda.graphs().destroy(graph);

        cuda.graphs().beginCapture(stream);
        cuda.record(fork, stream);
        cuda.await(fork, other);
        launch(other, 5, 0);
        assertEquals(
                904,
                assertThrows(CudaException.class, () -> cuda.graphs().endCapture(stream)).code());
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
            cuda.graphs().beginCapture(stream);
            CudaException failure = assertThrows(CudaException.class, call::run);
            assertEquals(900, failure.code(), failure.getMessage());
            assertEquals(
                    901,
                    assertThrows(CudaException.class, () -> cuda.graphs().endCapture(stream))
                            .code());
        }
        cuda.graphs().beginCapture(stream);
        assertThrows(CudaException.class, () -> cuda.allocate(16));
        cuda.graphs().abandonCapture(stream);
        fill(pinned.host(), 8);
        cuda.copyToDevice(device, pinned.host(), stream);
        assertEquals(8, deviceValue(0));
    }

    @Test
    void nobodyAsksAStreamThatCaptures() throws InterruptedException {
        cuda.graphs().beginCapture(stream);
        int[] code = new int[1];
        Thread other =
                Thread.ofPlatform()
                        .start(
                                () -> {
                                    cuda.attachThread();
                                    cuda.free(cuda.allocate(16));
                                    code[0] =
                                            assertThrows(
                                                            CudaException.class,
                                                            () -> cuda.isIdle(stream))
                                                    .code();
                                });
        other.join();
        assertEquals(900, code[0]);
        assertEquals(
                901,
                assertThrows(CudaException.class, () -> cuda.graphs().endCapture(stream)).code());
    }
}
