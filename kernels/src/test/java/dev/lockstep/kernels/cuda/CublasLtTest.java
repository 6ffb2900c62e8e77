// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

final class CublasLtTest {
    private static final long WORKSPACE = 1 << 20;

    private final Arena arena = Arena.ofConfined();
    private final Deque<Runnable> atClose = new ArrayDeque<>();
    private final Random random = new Random(1);
    private Cuda cuda;
    private CudaStream stream;
    private CublasLt cublasLt;
    private DevicePointer workspace;

    @BeforeEach
    void open() {
        cuda = EmulatedCuda.open();
        stream = cuda.stream(0);
        cublasLt = CublasLt.open(cuda);
        workspace = allocate(WORKSPACE);
    }

    @AfterEach
    void close() {
        cuda.synchronize(stream);
        atClose.forEach(Runnable::run);
        cublasLt.close();
        cuda.destroy(stream);
        cuda.close();
        arena.close();
    }

    @Test
    void productsEqualLoops() {
        check(new MatmulShape(DType.F32, DType.F32, false, 3, 5, 7, 7, 7, 5, 4), 1e-6);
        check(new MatmulShape(DType.F32, DType.F32, true, 1, 33, 200, 208, 201, 40, 4), 1e-5);
        check(new MatmulShape(DType.BF16, DType.BF16, false, 4, 17, 96, 96, 104, 18, 2), 5e-3);
        check(new MatmulShape(DType.BF16, DType.F32, true, 2, 9, 130, 131, 132, 9, 2), 1e-5);
    }

    @Test
    void aProductHasTheSameBitsInEveryRun() {
        var shape = new MatmulShape(DType.F32, DType.F32, false, 2, 8, 512, 512, 512, 8, 4);
        float[] weight = values(8 * 512);
        float[] input = values(2 * 512);
        float[] first = run(shape, weight, input, new float[16]);
        for (int i = 0; i < 5; i++) {
            assertArrayEquals(first, run(shape, weight, input, new float[16]));
        }
    }

    @Test
    void aPlanForOtherAddressesThanItsAlignmentIsRefused() {
        var shape = new MatmulShape(DType.F32, DType.F32, false, 1, 4, 4, 4, 4, 4, 256);
        MatmulPlan plan = cublasLt.plan(shape, WORKSPACE);
        DevicePointer weight = allocate(1024);
        DevicePointer input = allocate(1024);
        CudaException failure =
                assertThrows(
                        CudaException.class,
                        () ->
                                cublasLt.matmul(
                                        plan, weight.plus(4), input, input, workspace, stream));
        assertEquals("cublasLtMatmul", failure.function());
        assertTrue(failure.toString().contains("CUBLAS_STATUS_NOT_SUPPORTED"));
        cublasLt.destroy(plan);
        assertEquals(4, MatmulShape.alignment(weight.plus(4), input));
        assertEquals(256, MatmulShape.alignment(weight, input));
    }

    @Test
    void aLongSumIsCutInTheWorkspaceOnly() {
        var shape = new MatmulShape(DType.F32, DType.F32, false, 2, 8, 512, 512, 512, 8, 4);
        MatmulPlan roomy = cublasLt.plan(shape, WORKSPACE);
        MatmulPlan narrow = cublasLt.plan(shape, 0);
        assertTrue(roomy.workspaceBytes() > 0);
        assertEquals(0, narrow.workspaceBytes());
        cublasLt.destroy(roomy);
        cublasLt.destroy(narrow);
    }

    @Test
    void aProductIsCaptured() {
        var shape = new MatmulShape(DType.F32, DType.F32, true, 1, 4, 4, 4, 4, 4, 4);
        DevicePointer weight = upload(DType.F32, values(16));
        DevicePointer input = upload(DType.F32, 1, 1, 1, 1);
        DevicePointer output = upload(DType.F32, 0, 0, 0, 0);
        MatmulPlan plan = cublasLt.plan(shape, WORKSPACE);
        cuda.graphs().beginCapture(stream);
        cublasLt.matmul(plan, weight, input, output, workspace, stream);
        CudaGraph graph = cuda.graphs().endCapture(stream);
        cuda.graphs().launch(graph, stream);
        float once = download(DType.F32, output, 4)[2];
        cuda.graphs().launch(graph, stream);
        assertEquals(2 * once, download(DType.F32, output, 4)[2], 1e-5);
        cuda.graphs().destroy(graph);
        cublasLt.destroy(plan);
    }

    @Test
    void shapesAreChecked() {
        assertThrows(
                IllegalArgumentException.class,
                () -> new MatmulShape(DType.F16, DType.F32, false, 1, 1, 1, 1, 1, 1, 4));
        assertThrows(
                IllegalArgumentException.class,
                () -> new MatmulShape(DType.F32, DType.F32, false, 1, 1, 8, 7, 8, 1, 4));
        assertThrows(
                IllegalArgumentException.class,
                () -> new MatmulShape(DType.F32, DType.F32, false, 0, 1, 8, 8, 8, 1, 4));
    }

    private void check(MatmulShape shape, double tolerance) {
        float[] weight = values(shape.outputs() * shape.weightStride());
        float[] input = values(shape.tokens() * shape.inputStride());
        float[] before = values(shape.tokens() * shape.outputStride());
        float[] output = run(shape, weight, input, before);
        for (int t = 0; t < shape.tokens(); t++) {
            for (int n = 0; n < shape.outputs(); n++) {
                int at = t * shape.outputStride() + n;
                double expected = shape.add() ? before[at] : 0;
                double magnitude = Math.abs(expected);
                for (int k = 0; k < shape.inner(); k++) {
                    double part =
                            (double) stored(shape.type(), weight[n * shape.weightStride() + k])
                                    * stored(shape.type(), input[t * shape.inputStride() + k]);
                    expected += part;
                    magnitude += Math.abs(part);
                }
                assertEquals(expected, output[at], tolerance * magnitude, shape.toString());
            }
            for (int gap = shape.outputs();
                    gap < shape.outputStride() && t < shape.tokens() - 1;
                    gap++) {
                int at = t * shape.outputStride() + gap;
                assertEquals(stored(shape.outputType(), before[at]), output[at]);
            }
        }
    }

    private float[] run(MatmulShape shape, float[] weight, float[] input, float[] output) {
        DevicePointer weightMemory = upload(shape.type(), weight);
        DevicePointer inputMemory = upload(shape.type(), input);
        DevicePointer outputMemory = upload(shape.outputType(), output);
        MatmulPlan plan = cublasLt.plan(shape, WORKSPACE);
        cublasLt.matmul(plan, weightMemory, inputMemory, outputMemory, workspace, stream);
        float[] result = download(shape.outputType(), outputMemory, output.length);
        cublasLt.destroy(plan);
        return result;
    }

    private float[] values(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat() - 0.5f;
        }
        return values;
    }

    private static float stored(DType type, float value) {
        return type == DType.F32 ? value : Float.intBitsToFloat(bf16(value) << 16);
    }

    private static int bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16;
    }

    private DevicePointer upload(DType type, float... values) {
        MemorySegment host = arena.allocate((long) values.length * type.bytes(), 4);
        for (int i = 0; i < values.length; i++) {
            if (type == DType.F32) {
                host.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
            } else {
                host.setAtIndex(ValueLayout.JAVA_SHORT, i, (short) bf16(values[i]));
            }
        }
        DevicePointer memory = allocate(host.byteSize());
        cuda.copyToDevice(memory, host, stream);
        return memory;
    }

    private float[] download(DType type, DevicePointer memory, int count) {
        MemorySegment host = arena.allocate((long) count * type.bytes(), 4);
        cuda.copyToHost(host, memory, stream);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] =
                    type == DType.F32
                            ? host.getAtIndex(ValueLayout.JAVA_FLOAT, i)
                            : Float.intBitsToFloat(
                                    host.getAtIndex(ValueLayout.JAVA_SHORT, i) << 16);
        }
        return values;
    }

    private DevicePointer allocate(long bytes) {
        DevicePointer memory = cuda.allocate(bytes);
        atClose.add(() -> cuda.free(memory));
        return memory;
    }
}
