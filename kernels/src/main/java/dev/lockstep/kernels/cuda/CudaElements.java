// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.Tensor;

/// The element-wise ops.
final class CudaElements {
    CudaElements(CudaContext context) {}

    void add(Tensor x, Tensor y) {
        throw new UnsupportedOperationException("CudaElements");
    }

    void copy(Tensor x, Tensor out) {
        throw new UnsupportedOperationException("CudaElements");
    }

    void clear(Tensor x) {
        throw new UnsupportedOperationException("CudaElements");
    }

    void scale(Tensor x, float factor) {
        throw new UnsupportedOperationException("CudaElements");
    }

    void softCap(Tensor x, float cap) {
        throw new UnsupportedOperationException("CudaElements");
    }

    void activate(Activation activation, Tensor x, Tensor out) {
        throw new UnsupportedOperationException("CudaElements");
    }

    void activateMultiply(Activation activation, Tensor gateUp, Tensor out) {
        throw new UnsupportedOperationException("CudaElements");
    }
}
