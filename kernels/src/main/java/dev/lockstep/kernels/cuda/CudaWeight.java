// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DevicePointer;
import dev.lockstep.kernels.PackedWeight;

/// A matrix `[rows, columns]` of the compute type, row-major; rows begin at multiples of 16 bytes.
///
/// @param stride elements between rows
record CudaWeight(
        CudaContext owner, DevicePointer pointer, DType type, int rows, int columns, int stride)
        implements PackedWeight {
    private static final int ROW_ALIGNMENT = 16;

    /// Returns the elements between rows of `columns`.
    static int stride(int columns, DType type) {
        int unit = ROW_ALIGNMENT / type.bytes();
        return Math.toIntExact((columns + unit - 1L) / unit * unit);
    }

    @Override
    public long bytes() {
        return (long) rows * stride * type.bytes();
    }
}
