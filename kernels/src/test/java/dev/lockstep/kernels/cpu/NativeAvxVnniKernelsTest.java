// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import org.junit.jupiter.api.Tag;

@Tag("sweep")
final class NativeAvxVnniKernelsTest implements CpuKernelsContract {
    @Override
    public InstructionSet instructionSet() {
        return InstructionSet.AVX_VNNI;
    }
}
