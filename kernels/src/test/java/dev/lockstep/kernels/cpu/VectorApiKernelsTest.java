// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

final class VectorApiKernelsTest implements CpuKernelsContract {
    @Override
    public InstructionSet instructionSet() {
        return InstructionSet.VECTOR_API;
    }
}
