// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;
import java.util.ArrayList;
import java.util.List;

/// Products of matrices by cuBLASLt, with plans that are made before the first step.
///
/// There is a plan for each number of tokens up to [#EXACT], and for the multiples of it; a product
/// of another number is computed as two. So a warm-up step of any size meets all plans: after
/// [#reserve] a product of a new form makes the plans of all sizes at once.
final class CudaMatmul implements AutoCloseable {
    static final int EXACT = 256;

    // Wider than this no kernel reads; narrower forms are rare.
    private static final int ALIGNMENT = 16;

    private final CudaContext context;
    private final CublasLt cublasLt;
    private final CudaElements elements;
    private final DType type;
    private final DevicePointer workspace;
    private final long workspaceBytes;
    private final List<MatmulPlans> forms = new ArrayList<>();
    private int reserved;

    CudaMatmul(CudaContext context, CublasLt cublasLt, CudaElements elements, long workspaceBytes) {
        this.context = context;
        this.cublasLt = cublasLt;
        this.elements = elements;
        this.workspaceBytes = workspaceBytes;
        type = context.activationType();
        workspace = context.memory().reserve(workspaceBytes);
    }

    /// Makes the plans of steps up to that many tokens, for every form of product.
    void reserve(int maxTokens) {
        reserved = Math.max(reserved, maxTokens);
        forms.forEach(form -> form.prepare(reserved));
    }

    void run(Tensor x, PackedWeight packed, Tensor out) {
        if (!(packed instanceof CudaWeight weight) || weight.owner() != context) {
            throw new IllegalArgumentException("the weight was packed by other kernels");
        }
        x.require("x", type, x.rows(), weight.columns());
        out.require("out", out.type() == DType.F32 ? DType.F32 : type, x.rows(), weight.rows());
        if (weight.columns() == 0) {
            elements.clear(out);
            return;
        }
        if (weight.rows() == 0) {
            return;
        }
        for (int from = 0; from < x.rows(); ) {
            int tokens = MatmulPlans.tokens(x.rows() - from);
            multiply(
                    x.pointer().plus((long) from * x.stride() * type.bytes()),
                    x.stride(),
                    weight,
                    out.pointer().plus((long) from * out.stride() * out.type().bytes()),
                    out.type(),
                    out.stride(),
                    tokens);
            from += tokens;
        }
    }

    private void multiply(
            DevicePointer x,
            int inputStride,
            CudaWeight weight,
            DevicePointer out,
            DType outputType,
            int outputStride,
            int tokens) {
        long bits = ALIGNMENT | x.address() | weight.pointer().address() | out.address();
        int alignment = (int) Long.lowestOneBit(bits);
        MatmulPlans form = form(weight, inputStride, outputType, outputStride, alignment);
        cublasLt.matmul(form.of(tokens), weight.pointer(), x, out, workspace, context.stream());
    }

    private MatmulPlans form(
            CudaWeight weight, int inputStride, DType outputType, int outputStride, int alignment) {
        for (int i = 0; i < forms.size(); i++) {
            MatmulPlans form = forms.get(i);
            if (form.fits(weight, inputStride, outputType, outputStride, alignment)) {
                return form;
            }
        }
        var form =
                new MatmulPlans(
                        cublasLt,
                        workspaceBytes,
                        weight,
                        inputStride,
                        outputType,
                        outputStride,
                        alignment);
        form.prepare(reserved);
        forms.add(form);
        return form;
    }

    @Override
    public void close() {
        forms.forEach(MatmulPlans::close);
    }
}
