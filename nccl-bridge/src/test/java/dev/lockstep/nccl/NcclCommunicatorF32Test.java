// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import dev.lockstep.kernels.DType;
import org.junit.jupiter.api.Tag;

@Tag("gpu")
@Tag("ranks")
final class NcclCommunicatorF32Test implements NcclContract {
    @Override
    public DType type() {
        return DType.F32;
    }
}
