// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.kernels.DType;
import org.junit.jupiter.api.Tag;

@Tag("gpu")
final class CudaAttentionF32Test implements CudaAttentionContract {
    @Override
    public DType type() {
        return DType.F32;
    }
}
