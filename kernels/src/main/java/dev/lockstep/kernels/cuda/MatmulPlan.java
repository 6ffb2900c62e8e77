// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;

/// The algorithm that cuBLASLt chose for a shape, with the descriptors that a call of it needs;
/// [CublasLt#destroy] frees it.
public final class MatmulPlan {
    private final MatmulShape shape;
    private final cublasLtMatmulHeuristicResult_t choice;
    final cublasLtMatmulDescOpaque_t description;
    final cublasLtMatrixLayoutOpaque_t weight;
    final cublasLtMatrixLayoutOpaque_t input;
    final cublasLtMatrixLayoutOpaque_t output;
    final cublasLtMatmulAlgo_t algorithm;

    MatmulPlan(
            MatmulShape shape,
            cublasLtMatmulHeuristicResult_t choice,
            cublasLtMatmulDescOpaque_t description,
            cublasLtMatrixLayoutOpaque_t weight,
            cublasLtMatrixLayoutOpaque_t input,
            cublasLtMatrixLayoutOpaque_t output) {
        this.shape = shape;
        this.choice = choice;
        this.description = description;
        this.weight = weight;
        this.input = input;
        this.output = output;
        algorithm = choice.algo();
    }

    public MatmulShape shape() {
        return shape;
    }

    /// Returns the workspace that its algorithm needs.
    public long workspaceBytes() {
        return choice.workspaceSize();
    }

    void close() {
        choice.close();
    }
}
