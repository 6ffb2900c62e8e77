// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.EmbeddingTable;
import dev.lockstep.kernels.PackedWeight;
import dev.lockstep.kernels.RotaryTable;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.WeightRows;
import java.util.List;

/// Weights on their way to the device.
final class CudaLoading {
    CudaLoading(CudaContext context) {}

    double bytesPerWeight(DType compute) {
        throw new UnsupportedOperationException("CudaLoading");
    }

    PackedWeight weight(List<WeightRows> segments, DType compute) {
        throw new UnsupportedOperationException("CudaLoading");
    }

    EmbeddingTable embedding(WeightRows table) {
        throw new UnsupportedOperationException("CudaLoading");
    }

    Tensor vector(float[] values) {
        throw new UnsupportedOperationException("CudaLoading");
    }

    RotaryTable rotary(float[][] cos, float[][] sin) {
        throw new UnsupportedOperationException("CudaLoading");
    }
}
