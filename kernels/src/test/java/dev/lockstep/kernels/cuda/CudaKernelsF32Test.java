// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import org.junit.jupiter.api.Tag;

/// Starts a compiler for each kernel that it finds no object of.
@Tag("gpu")
@Tag("processes")
final class CudaKernelsF32Test implements CudaKernelsContract {
    @Override
    public DType type() {
        return DType.F32;
    }
}
