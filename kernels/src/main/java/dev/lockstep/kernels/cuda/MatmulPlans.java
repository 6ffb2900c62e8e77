// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/// The plans of a form of product, which has any number of tokens.
final class MatmulPlans implements AutoCloseable {
    private final CublasLt cublasLt;
    private final long workspaceBytes;
    private final MatmulShape ofOne;
    // Plan i is for i + 1 tokens; after those, for multiples.
    private @Nullable MatmulPlan[] plans = new MatmulPlan[CudaMatmul.EXACT];

    MatmulPlans(
            CublasLt cublasLt,
            long workspaceBytes,
            CudaWeight weight,
            int inputStride,
            DType outputType,
            int outputStride,
            int alignment) {
        this.cublasLt = cublasLt;
        this.workspaceBytes = workspaceBytes;
        ofOne =
                new MatmulShape(
                        weight.type(),
                        outputType,
                        false,
                        1,
                        weight.rows(),
                        weight.columns(),
                        weight.stride(),
                        inputStride,
                        outputStride,
                        alignment);
    }

    boolean fits(
            CudaWeight weight, int inputStride, DType outputType, int outputStride, int alignment) {
        return ofOne.outputs() == weight.rows()
                && ofOne.inner() == weight.columns()
                && ofOne.weightStride() == weight.stride()
                && ofOne.inputStride() == inputStride
                && ofOne.outputType() == outputType
                && ofOne.outputStride() == outputStride
                && ofOne.alignment() == alignment;
    }

    /// Returns how many of `tokens` are computed at once.
    static int tokens(int tokens) {
        return tokens <= CudaMatmul.EXACT ? tokens : tokens - tokens % CudaMatmul.EXACT;
    }

    /// Makes the plans for up to `maxTokens`.
    void prepare(int maxTokens) {
        for (int tokens = 1; tokens <= maxTokens; tokens++) {
            if (tokens(tokens) == tokens) {
                of(tokens);
            }
        }
    }

    /// Returns the plan of a number that [#tokens] returns.
    MatmulPlan of(int tokens) {
        int index =
                tokens <= CudaMatmul.EXACT
                        ? tokens - 1
                        : CudaMatmul.EXACT + tokens / CudaMatmul.EXACT - 2;
        if (index >= plans.length) {
            plans = Arrays.copyOf(plans, Math.max(index + 1, plans.length + 32));
        }
        MatmulPlan plan = plans[index];
        if (plan == null) {
            plan = cublasLt.plan(shape(tokens), workspaceBytes);
            plans[index] = plan;
        }
        return plan;
    }

    private MatmulShape shape(int tokens) {
        return new MatmulShape(
                ofOne.type(),
                ofOne.outputType(),
                false,
                tokens,
                ofOne.outputs(),
                ofOne.inner(),
                ofOne.weightStride(),
                ofOne.inputStride(),
                ofOne.outputStride(),
                ofOne.alignment());
    }

    @Override
    public void close() {
        for (MatmulPlan plan : plans) {
            if (plan != null) {
                cublasLt.destroy(plan);
            }
        }
    }
}
