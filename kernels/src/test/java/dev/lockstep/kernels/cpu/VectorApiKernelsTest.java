package dev.lockstep.kernels.cpu;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.MatmulContract;
import dev.lockstep.kernels.MemoryContract;

final class VectorApiKernelsTest implements MemoryContract, MatmulContract, MatmulBitsContract {
    @Override
    public Kernels open(int threads) {
        return OpenKernels.of(InstructionSet.VECTOR_API, threads);
    }

    @Override
    public boolean hasBf16Instruction() {
        return false;
    }
}
