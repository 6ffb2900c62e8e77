// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/// Runs on ARM64, or by `scripts/kernels-arm64` in an emulator.
@EnabledIfSystemProperty(named = "os.arch", matches = "aarch64")
final class NativeNeonKernelsTest implements CpuKernelsContract {
    @Override
    public InstructionSet instructionSet() {
        return InstructionSet.NEON;
    }
}
