// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;

/// Products of matrices by cuBLASLt; one thread at a time calls it, its opener closes it.
///
/// Choosing an algorithm may take milliseconds: plans are made before the first step, a step only
/// runs them. Every algorithm adds in the same order in every run: sums that are cut are kept in
/// F32 and added in a step of their own.
public final class CublasLt implements AutoCloseable {
    private static final int SUCCESS = 0;
    private static final int F32 = 0;
    private static final int BF16 = 14;
    private static final int COMPUTE_F32 = 68;
    private static final int TRANSPOSE_A = 3;
    private static final int TRANSPOSED = 1;
    private static final int MAX_WORKSPACE = 1;
    private static final int REDUCTIONS = 3;
    private static final int REDUCTION_IN_F32 = 2;
    private static final int ALIGNMENT_OF_A = 5;
    private static final int ALIGNMENT_OF_D = 8;

    private final Cuda cuda;
    private final cublasLtContext context = new cublasLtContext();
    private final Arena arena = Arena.ofShared();
    private final NativeAddress one;
    private final NativeAddress zero;
    private final NativeAddress weightAddress = new NativeAddress();
    private final NativeAddress inputAddress = new NativeAddress();
    private final NativeAddress outputAddress = new NativeAddress();
    private final NativeAddress workspaceAddress = new NativeAddress();

    private CublasLt(Cuda cuda) {
        this.cuda = cuda;
        one = new NativeAddress().set(arena.allocateFrom(JAVA_FLOAT, 1).address());
        zero = new NativeAddress().set(arena.allocateFrom(JAVA_FLOAT, 0).address());
        check(cublas.cublasLtCreate(context), "cublasLtCreate");
    }

    /// Opens cuBLASLt on a device, to which the calling thread is attached.
    public static CublasLt open(Cuda cuda) {
        var cublasLt = new CublasLt(cuda);
        cuda.libraries().requireOneCopyEach();
        return cublasLt;
    }

    public long version() {
        return cublas.cublasLtGetVersion();
    }

    @Override
    public void close() {
        check(cublas.cublasLtDestroy(context), "cublasLtDestroy");
        arena.close();
    }

    /// Chooses the algorithm of a product that has `workspaceBytes` of device memory to work in.
    public MatmulPlan plan(MatmulShape shape, long workspaceBytes) {
        try (var made = new PointerPointer<Pointer>(1);
                Arena values = Arena.ofConfined()) {
            check(
                    cublas.cublasLtMatmulDescCreate(made, COMPUTE_F32, F32),
                    "cublasLtMatmulDescCreate");
            var description = new cublasLtMatmulDescOpaque_t(made.get());
            // A row-major matrix is the transpose of a column-major one: outputᵀ = weight · inputᵀ.
            check(
                    cublas.cublasLtMatmulDescSetAttribute(
                            description,
                            TRANSPOSE_A,
                            address(values.allocateFrom(JAVA_INT, TRANSPOSED)),
                            Integer.BYTES),
                    "cublasLtMatmulDescSetAttribute");
            int type = code(shape.type());
            cublasLtMatrixLayoutOpaque_t weight =
                    layout(made, type, shape.inner(), shape.outputs(), shape.weightStride());
            cublasLtMatrixLayoutOpaque_t input =
                    layout(made, type, shape.inner(), shape.tokens(), shape.inputStride());
            cublasLtMatrixLayoutOpaque_t output =
                    layout(
                            made,
                            code(shape.outputType()),
                            shape.outputs(),
                            shape.tokens(),
                            shape.outputStride());
            cublasLtMatmulPreferenceOpaque_t preference =
                    preference(made, shape, workspaceBytes, values);
            var choice = new cublasLtMatmulHeuristicResult_t(1);
            int[] found = new int[1];
            int code =
                    cublas.cublasLtMatmulAlgoGetHeuristic(
                            context,
                            description,
                            weight,
                            input,
                            output,
                            output,
                            preference,
                            1,
                            choice,
                            found);
            check(
                    cublas.cublasLtMatmulPreferenceDestroy(preference),
                    "cublasLtMatmulPreferenceDestroy");
            check(code, "cublasLtMatmulAlgoGetHeuristic for " + shape);
            if (found[0] < 1 || choice.state() != 0) {
                throw new IllegalStateException("cuBLASLt has no algorithm for " + shape);
            }
            return new MatmulPlan(shape, choice, description, weight, input, output);
        }
    }

    public void destroy(MatmulPlan plan) {
        check(cublas.cublasLtMatrixLayoutDestroy(plan.weight), "cublasLtMatrixLayoutDestroy");
        check(cublas.cublasLtMatrixLayoutDestroy(plan.input), "cublasLtMatrixLayoutDestroy");
        check(cublas.cublasLtMatrixLayoutDestroy(plan.output), "cublasLtMatrixLayoutDestroy");
        check(cublas.cublasLtMatmulDescDestroy(plan.description), "cublasLtMatmulDescDestroy");
        plan.close();
    }

    /// Enqueues a product. `workspace` is used until it has run, and has at least the plan's bytes.
    public void matmul(
            MatmulPlan plan,
            DevicePointer weight,
            DevicePointer input,
            DevicePointer output,
            DevicePointer workspace,
            CudaStream stream) {
        Pointer d = outputAddress.set(output.address());
        int code =
                cublas.cublasLtMatmul(
                        context,
                        plan.description,
                        one,
                        weightAddress.set(weight.address()),
                        plan.weight,
                        inputAddress.set(input.address()),
                        plan.input,
                        plan.shape().add() ? one : zero,
                        d,
                        plan.output,
                        d,
                        plan.output,
                        plan.algorithm,
                        workspaceAddress.set(workspace.address()),
                        plan.workspaceBytes(),
                        stream.handle());
        if (code != SUCCESS) {
            // cuBLASLt does not tell that the device is lost; every call of the driver does.
            cuda.freeBytes();
            check(code, "cublasLtMatmul");
        }
    }

    private static cublasLtMatrixLayoutOpaque_t layout(
            PointerPointer<Pointer> made, int type, long rows, long columns, long stride) {
        check(
                cublas.cublasLtMatrixLayoutCreate(made, type, rows, columns, stride),
                "cublasLtMatrixLayoutCreate");
        return new cublasLtMatrixLayoutOpaque_t(made.get());
    }

    private static cublasLtMatmulPreferenceOpaque_t preference(
            PointerPointer<Pointer> made, MatmulShape shape, long workspaceBytes, Arena values) {
        check(cublas.cublasLtMatmulPreferenceCreate(made), "cublasLtMatmulPreferenceCreate");
        var preference = new cublasLtMatmulPreferenceOpaque_t(made.get());
        check(
                cublas.cublasLtMatmulPreferenceSetAttribute(
                        preference,
                        MAX_WORKSPACE,
                        address(values.allocateFrom(JAVA_LONG, workspaceBytes)),
                        Long.BYTES),
                "cublasLtMatmulPreferenceSetAttribute");
        set(preference, REDUCTIONS, REDUCTION_IN_F32, values);
        // Without these cuBLASLt takes every address for a multiple of 256.
        for (int attribute = ALIGNMENT_OF_A; attribute <= ALIGNMENT_OF_D; attribute++) {
            set(preference, attribute, shape.alignment(), values);
        }
        return preference;
    }

    private static void set(
            cublasLtMatmulPreferenceOpaque_t preference, int attribute, int value, Arena values) {
        check(
                cublas.cublasLtMatmulPreferenceSetAttribute(
                        preference,
                        attribute,
                        address(values.allocateFrom(JAVA_INT, value)),
                        Integer.BYTES),
                "cublasLtMatmulPreferenceSetAttribute");
    }

    private static NativeAddress address(MemorySegment value) {
        return new NativeAddress().set(value.address());
    }

    private static int code(DType type) {
        return switch (type) {
            case F32 -> F32;
            case BF16 -> BF16;
            case F16, I32, I8, FP8 ->
                    throw new IllegalArgumentException("no product of " + type + " is offered");
        };
    }

    private static void check(int status, String function) {
        if (status != SUCCESS) {
            throw new CudaException(
                    function,
                    status,
                    string(cublas.cublasLtGetStatusName(status)),
                    string(cublas.cublasLtGetStatusString(status)),
                    "");
        }
    }

    private static String string(BytePointer text) {
        return text.isNull() ? "" : text.getString();
    }
}
