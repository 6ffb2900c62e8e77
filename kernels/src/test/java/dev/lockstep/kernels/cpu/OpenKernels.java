// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.lockstep.kernels.Kernels;
import java.util.Set;

/// The opening of CPU kernels of one instruction set, which skips the test where this machine
/// cannot run them.
final class OpenKernels {
    private OpenKernels() {}

    static Kernels of(InstructionSet set, int threads) {
        Set<String> missing = CpuFeatures.current().missing(set);
        assumeTrue(missing.isEmpty(), () -> set.key() + " skipped: this CPU lacks " + missing);
        assumeTrue(
                NativeLibrary.isBuilt(set),
                () -> set.key() + " skipped: the build had no C++ compiler for it");
        return CpuKernels.open(CpuOptions.ofThreads(threads).with(set).expandingLatents());
    }
}
