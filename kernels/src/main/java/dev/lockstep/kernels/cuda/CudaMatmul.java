// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.Tensor;

/// Products of matrices.
final class CudaMatmul implements AutoCloseable {
    CudaMatmul(CudaContext context, CublasLt cublasLt, long workspaceBytes) {}

    /// Makes the plans of every product seen until now, and of those seen later at once, for steps
    /// up to that many tokens.
    void reserve(int maxTokens) {}

    void run(Tensor x, PackedWeight weight, Tensor out) {
        throw new UnsupportedOperationException("CudaMatmul");
    }

    @Override
    public void close() {}
}
