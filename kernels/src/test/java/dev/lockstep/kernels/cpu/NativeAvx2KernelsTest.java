// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

final class NativeAvx2KernelsTest implements CpuKernelsContract {
    @Override
    public InstructionSet instructionSet() {
        return InstructionSet.AVX2;
    }
}
