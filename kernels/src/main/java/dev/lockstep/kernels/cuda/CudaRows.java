// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.Tensor;

/// The row-wise ops.
final class CudaRows {
    CudaRows(CudaContext context) {}

    void embed(EmbeddingTable table, Tensor ids, Tensor out) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor out) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void addRmsNorm(Tensor x, Tensor residual, Tensor weight, float epsilon, Tensor out) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void rmsNormHeads(Tensor x, Tensor weight, float epsilon) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void squareSums(Tensor x, Tensor out) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void normalizeBySums(Tensor x, Tensor sums, int count, Tensor weight, float epsilon) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void layerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor out) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void gatherRows(Tensor x, Tensor rows, Tensor out) {
        throw new UnsupportedOperationException("CudaRows");
    }

    void scatter(Tensor indices, Tensor values, Tensor out) {
        throw new UnsupportedOperationException("CudaRows");
    }
}
