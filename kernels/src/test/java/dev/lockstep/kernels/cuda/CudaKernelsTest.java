// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.CheckedIndex;
import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.IndexException;
import dev.lockstep.kernels.Mark;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Recording;
import dev.lockstep.kernels.StoredMatrix;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.TestDevice;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What CUDA kernels promise beyond the contracts: of the calls they make and of work that runs
/// late.
final class CudaKernelsTest {
    private CudaKernels kernels;
    private TestDevice device;

    @BeforeEach
    void open() {
        kernels = CudaUnderTest.open(DType.F32);
        device = new TestDevice(kernels);
    }

    @AfterEach
    void close() {
        EmulatedCuda.holdWork(false);
        device.close();
    }

    @Test
    void noPlanOfAProductIsMadeAfterAWarmUp() {
        StoredMatrix stored = StoredMatrix.random(TensorType.F32, 3, 8, 1);
        PackedWeight weight = kernels.prepare(List.of(stored.whole()), DType.F32);
        int maxTokens = 2 * CudaMatmul.EXACT + 3;
        float[] values = numbers(8 * maxTokens);
        Tensor x = device.floats(maxTokens, 8, values);
        Tensor out = device.zeros(DType.F32, maxTokens, 3);
        kernels.reserve(maxTokens, 4, 64);
        kernels.matmul(x, weight, out);
        long before = plans();
        for (int tokens : new int[] {maxTokens, 1, 255, 256, 257, 511, 512, 513}) {
            kernels.clear(out);
            kernels.matmul(x.rows(0, tokens), weight, out.rows(0, tokens));
            float[] outputs = device.floats(out);
            for (int i = 0; i < outputs.length; i++) {
                double expected = 0;
                for (int c = 0; c < 8 && i / 3 < tokens; c++) {
                    expected += stored.at(i % 3, c) * values[i / 3 * 8 + c];
                }
                assertEquals(expected, outputs[i], 1e-4, "%d of %d tokens".formatted(i, tokens));
            }
        }
        assertEquals(before, plans());
    }

    @Test
    void aStepMakesTheSameCallsWhateverItsRows() {
        StoredMatrix stored = StoredMatrix.random(TensorType.Q8_0, 32, 32, 1);
        PackedWeight weight = kernels.prepare(List.of(stored.whole()), DType.F32);
        Tensor norm = kernels.prepareVector(new float[32]);
        Tensor x = device.zeros(40, 32);
        Tensor out = device.zeros(40, 32);
        kernels.reserve(40, 40, 64);
        List<Long> calls = new ArrayList<>();
        for (int rows : new int[] {40, 40, 1, 17}) {
            long before = EmulatedCuda.calls(CudaLibrary.DRIVER, "*");
            long allocated = kernels.allocatedBytes();
            for (int layer = 0; layer < 8; layer++) {
                kernels.matmul(x.rows(0, rows), weight, out.rows(0, rows));
                kernels.addRmsNorm(
                        out.rows(0, rows), x.rows(0, rows), norm, 1e-5f, out.rows(0, rows));
                kernels.scale(out.rows(0, rows), 0.5f);
            }
            kernels.mark();
            calls.add(EmulatedCuda.calls(CudaLibrary.DRIVER, "*") - before);
            assertEquals(allocated, kernels.allocatedBytes());
        }
        assertEquals(calls.get(1), calls.get(2));
        assertEquals(calls.get(1), calls.get(3));
    }

    /// More is copied than the ring holds, while nothing runs but what is waited for.
    @Test
    void hostMemoryMayBeReusedAtOnce() {
        int size = (int) CudaStaging.SLOT_BYTES / 4 + 100;
        float[] values = new float[size];
        List<Tensor> targets = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            targets.add(device.zeros(DType.F32, 1, size));
        }
        EmulatedCuda.holdWork(true);
        for (int i = 0; i < targets.size(); i++) {
            Arrays.fill(values, i + 1);
            kernels.copyToDevice(MemorySegment.ofArray(values), targets.get(i));
            Arrays.fill(values, -1);
            kernels.copyToDevice(
                    MemorySegment.ofArray(new float[] {-2 - i}), targets.get(i).columns(7, 8));
        }
        for (int i = 0; i < targets.size(); i++) {
            Arrays.fill(values, i + 1);
            values[7] = -2 - i;
            assertArrayEquals(values, device.floats(targets.get(i)));
        }
    }

    @Test
    void aRefusalIsThrownByEveryWaitForOneMarkAfterItsOp() {
        Tensor x = device.zeros(3, 2);
        Tensor out = device.zeros(2, 2);
        Tensor wrong = device.ints(1, 2, 1, 7);
        EmulatedCuda.holdWork(true);
        Mark before = kernels.mark();
        kernels.gatherRows(x, wrong, out);
        Mark after = kernels.mark();
        kernels.gatherRows(x, device.ints(1, 2, 9, 0), out);
        Mark last = kernels.mark();
        assertFalse(last.reached());
        before.await();
        IndexException refused = assertThrows(IndexException.class, last::await);
        assertEquals(CheckedIndex.GATHERED_ROW, refused.checked());
        assertEquals(7, refused.value());
        after.await();
        assertSame(refused, assertThrows(IndexException.class, last::await));
        assertTrue(before.reached() && after.reached() && last.reached());
        kernels.synchronize();
    }

    @Test
    void marksThatNobodyWaitsForAreNotInTheWay() {
        Tensor x = device.zeros(3, 2);
        Tensor out = device.zeros(1, 2);
        Tensor wrong = device.ints(1, 1, -5);
        List<Mark> marks = new ArrayList<>();
        EmulatedCuda.holdWork(true);
        for (int i = 0; i < 200; i++) {
            if (i == 10) {
                kernels.gatherRows(x, wrong, out);
            }
            marks.add(kernels.mark());
        }
        assertTrue(marks.getFirst().reached());
        marks.get(9).await();
        assertEquals(-5, assertThrows(IndexException.class, marks.getLast()::await).value());
        marks.removeLast();
        marks.forEach(Mark::await);
    }

    @Test
    void rowsLargerThanAPieceOfTheRingArriveWhole() {
        int columns = (int) CudaStaging.SLOT_BYTES / 4 + 33;
        float[] values = numbers(3 * columns);
        StoredMatrix stored =
                new StoredMatrix(TensorType.F32, 3, columns, MemorySegment.ofArray(values));
        var weight =
                (CudaWeight)
                        kernels.prepare(
                                List.of(stored.shard(new int[] {2, 0}, 1, columns)), DType.F32);
        float[] rows =
                device.floats(
                        new Tensor(weight.pointer(), DType.F32, 2, columns - 1, weight.stride()));
        assertArrayEquals(
                Arrays.copyOfRange(values, 2 * columns + 1, 3 * columns),
                Arrays.copyOf(rows, columns - 1));
        EmbeddingTable table = kernels.prepareEmbedding(stored.whole());
        assertEquals(4L * values.length, table.bytes());
        Tensor out = device.zeros(1, columns);
        kernels.embed(table, device.ints(1, 1, 1), out);
        assertArrayEquals(Arrays.copyOfRange(values, columns, 2 * columns), device.floats(out));
    }

    @Test
    void whatOtherKernelsPreparedIsRefused() {
        StoredMatrix stored = StoredMatrix.random(TensorType.F32, 3, 8, 1);
        try (CudaKernels other = CudaUnderTest.open(DType.F32)) {
            PackedWeight weight = other.prepare(List.of(stored.whole()), DType.F32);
            EmbeddingTable table = other.prepareEmbedding(stored.whole());
            Tensor x = device.zeros(1, 8);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.matmul(x, weight, device.zeros(1, 3)));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.embed(table, device.ints(1, 1, 0), x));
            assertThrows(
                    IllegalArgumentException.class,
                    () -> kernels.prepare(List.of(stored.whole()), DType.BF16));
        }
    }

    @Test
    void progressTellsOfOpsThatHaveFinished() {
        Tensor x = device.zeros(2, 8);
        kernels.synchronize();
        long before = kernels.progress();
        EmulatedCuda.holdWork(true);
        for (int i = 0; i < 40; i++) {
            kernels.scale(x, 2);
        }
        assertEquals(before, kernels.progress());
        kernels.synchronize();
        assertEquals(before + 40 + 1, kernels.progress());
        try (Recording recording =
                kernels.record(
                                () -> {
                                    for (int i = 0; i < 20; i++) {
                                        kernels.scale(x, 2);
                                    }
                                })
                        .orElseThrow()) {
            assertEquals(before + 41, kernels.progress());
            recording.launch();
            recording.launch();
            kernels.synchronize();
            assertEquals(before + 41 + 2 * 20 + 1, kernels.progress());
        }
    }

    @Test
    void whatARecordingCannotRepeatIsRefusedBeforeTheDriverSeesIt() {
        Tensor x = device.floats(1, 2, 1, 3);
        MemorySegment host = MemorySegment.ofArray(new float[2]);
        List<Runnable> forbidden =
                List.of(
                        kernels::mark,
                        () -> kernels.copyToDevice(host, x),
                        () -> kernels.prepareVector(new float[2]),
                        () -> kernels.allocateHost(8, Arena.global()));
        for (Runnable op : forbidden) {
            kernels.record(
                            () -> {
                                assertThrows(IllegalStateException.class, op::run);
                                kernels.scale(x, 1);
                            })
                    .orElseThrow()
                    .close();
        }
        assertThrows(
                ArithmeticException.class,
                () ->
                        kernels.record(
                                () -> {
                                    kernels.scale(x, 5);
                                    throw new ArithmeticException("in an op");
                                }));
        kernels.scale(x, 2);
        assertArrayEquals(new float[] {2, 6}, device.floats(x));
    }

    @Test
    void closedKernelsHoldNoMemoryOfTheDevice() {
        Cuda other = EmulatedCuda.open();
        long before = other.freeBytes();
        try (CudaKernels closed = CudaUnderTest.open(DType.BF16)) {
            StoredMatrix stored = StoredMatrix.random(TensorType.Q4_K, 3, 256, 1);
            closed.prepare(List.of(stored.whole()), DType.BF16);
            closed.prepareEmbedding(stored.whole());
            closed.reserve(32, 4, 64);
            assertTrue(other.freeBytes() < before);
        }
        assertEquals(before, other.freeBytes());
        other.close();
    }

    @Test
    void theDeviceIsNamedWithWhatDecidesItsBits() {
        assertEquals("Emulated GPU 0", kernels.device().name());
        assertEquals("sm_90a", kernels.device().instructionSet());
        assertTrue(kernels.device().id().startsWith("GPU-"), kernels.device().id());
        Map<String, String> versions = kernels.device().versions();
        assertEquals("13.0", versions.get("NVRTC"));
        assertEquals(KernelSources.digest(), versions.get("CUDA kernels"));
        assertTrue(versions.containsKey("cuBLASLt"));
        assertEquals("compute capability 9.0", kernels.capabilities().architecture());
    }

    @Test
    @Tag("processes")
    void aLostDeviceIsToldByOpsAndWaits() throws IOException, InterruptedException {
        for (String fault : List.of("cuLaunchKernel:4:719", "cuEventRecord:2:700")) {
            ForkedJava run =
                    ForkedJava.run(Lost.class, Map.of("CUDA_EMULATION_FAULTS", fault), List.of());
            assertTrue(run.output().contains("wait: DeviceLostException"), run.output());
            assertTrue(run.output().contains("op: DeviceLostException"), run.output());
            assertTrue(run.output().contains("product: DeviceLostException"), run.output());
            assertFalse(run.output().contains("CudaException"), run.output());
            assertEquals(0, run.code(), run.output());
        }
    }

    /// A process that loses its device.
    static final class Lost {
        private Lost() {}

        public static void main(String[] arguments) {
            CudaKernels kernels = CudaUnderTest.open(DType.F32);
            Tensor x = kernels.allocate(64).tensor(0, DType.F32, 2, 8);
            StoredMatrix stored = StoredMatrix.random(TensorType.F32, 8, 8, 1);
            PackedWeight weight = kernels.prepare(List.of(stored.whole()), DType.F32);
            tell("before", () -> kernels.scale(x, 1));
            for (int i = 0; i < 4; i++) {
                tell("wait", kernels::synchronize);
                tell("product", () -> kernels.matmul(x, weight, x));
                tell("op", () -> kernels.scale(x, 1));
            }
            kernels.close();
        }

        private static void tell(String what, Runnable call) {
            try {
                call.run();
            } catch (RuntimeException failure) {
                System.out.println(what + ": " + failure.getClass().getSimpleName());
            }
        }
    }

    private static float[] numbers(int count) {
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = i % 1009 % 13 - 6;
        }
        return numbers;
    }

    private static long plans() {
        return EmulatedCuda.calls(CudaLibrary.CUBLAS_LT, "cublasLtMatmulAlgoGetHeuristic");
    }
}
