// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

final class NativeAvx512Bf16KernelsTest implements CpuKernelsContract {
    @Override
    public InstructionSet instructionSet() {
        return InstructionSet.AVX512_BF16;
    }
}
